"""The commands of ``igc``, and the options that they share: what there is, without loading it.

Read before click is loaded too, for ``igc --help``: it imports nothing.
"""

from __future__ import annotations

# Name: the module of this package that holds it (as NAME_command), and one line of help.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Run the main job on simulated parts: card, order, check, revoke."),
    "setup": ("setup", "Walk to the first real order: form F414, card, profile, platform."),
    "readers": ("readers", "List the card readers and what is in them."),
    "card": ("card", "Work with a CPx card: who it is, what is on it, its PIN and keys."),
    "habilitations": ("lifecycle", "List what this card may order."),
    "order": ("order", "Order a certificate with the card, and retrieve it."),
    "orders": ("orders", "List the orders made from this machine."),
    "retrieve": ("order", "Retrieve a certificate that was ordered."),
    "status": ("status", "Show all your certificates: active, about to end, to withdraw."),
    "renew": ("renew", "Renew certificates that are about to end."),
    "revoke": ("lifecycle", "Revoke a certificate. Final."),
    "export": ("export", "Write a certificate in the form that a program wants."),
    "check": ("check", "Verify certificates: chain and revocation."),
    "inspect": ("inspect", "Say in words what a certificate is."),
    "bundle": ("bundle", "Keep a check for later: certificates, lists, answers and verdict."),
    "policy": ("policy", "Show what a check demands."),
    "crl": ("crl", "Keep revocation lists: fetch, list, show, export."),
    "trust": ("trust", "List, fetch and import trust anchors."),
    "config": ("config", "Show and change the configuration, and say where values come from."),
    "doctor": ("doctor", "Look for what is wrong on this machine, and say what to do about it."),
    "ws": ("ws", "Describe, check and try the contract with the platform: WSDL, mapping."),
    "sim": ("sim", "Run a simulated card or platform in the foreground."),
    "completion": ("completion", "Print the completion for bash, zsh, fish or PowerShell."),
    "help": ("help", "Explain a topic, such as exit-codes."),
}

ABOUT = """\
IGC-Santé from the command line: CPx cards, certificates, Plateforme de confiance.

\b
Examples:
  igc demo                      everything, on simulated parts
  igc card id                   the national identifier of the card's holder
  igc check CERTIFICATE.pem     is it valid, is it revoked?

Each command has a page: igc check --help. Topics have theirs: igc help exit-codes.
"""

# Option: what its value is called (empty for a flag), and its help.
SHARED_OPTIONS: dict[str, tuple[str, str]] = {
    "--profile": ("NAME", "Profile of config.toml to work with."),
    "--platform": ("URL", "Endpoint of the platform's web service."),
    "--wsdl": ("FILE", "WSDL of the platform, instead of the profile's."),
    "--mapping": ("FILE", "Mapping file that goes with the WSDL (see: igc ws)."),
    "--reader": (
        "NAME",
        "Card reader or token: part of its name, or the serial number of its card.",
    ),
    "--pkcs11": ("MODULE", "Use a token of this PKCS#11 module instead of a card."),
    "--trace": ("", "Show what goes to and from the card, on stderr."),
    "--no-cache": ("", "Read everything from the card itself."),
    "--json": ("", "One JSON object a line on stdout."),
    "--quiet": ("", "Say nothing but answers, errors and questions."),
    "--verbose": ("", "Tell each step, on stderr."),
    "--log-file": ("FILE", "Add each step, with its time, to this file."),
}
VERSION_LINE = "%(prog)s, version %(version)s"  # as GNU's coding standards have it
VERSION_HELP = "Show the version and exit."
HELP_HELP = "Show this message and exit."
SHORT = {"--quiet": "-q", "--verbose": "-v", "--help": "-h"}
