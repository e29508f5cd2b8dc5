# Set-up of a checkout, for scripts/igc, scripts/test and scripts/release, which source it.
# POSIX sh.
#
# It makes .venv and what compiling pyscard needs, and says so on stderr. What comes from PyPI
# is what requirements/NAME.txt locks, by its hashes (scripts/lock). A finished set-up leaves
# .venv/ready-NAME: copies of the files that it was made from, with their dates, and the path
# of the checkout. So "is it up to date?" takes no process at all.

# Needs $root (the checkout). ready NAME: whether the set-up NAME (igc, test, release) is done.
ready() {
    stamp=$root/.venv/ready-$1
    [ -x "$root/.venv/bin/igc" ] && [ -x "$root/.venv/bin/python" ] &&
        [ -r "$stamp/root" ] && read -r made_for <"$stamp/root" &&
        [ "$made_for" -ef "$root" ] &&
        same_date setup.cfg && same_date requirements/card.txt &&
        same_date "requirements/$1.txt"
}

same_date() {
    ! [ "$root/$1" -nt "$stamp/${1##*/}" ] && ! [ "$root/$1" -ot "$stamp/${1##*/}" ]
}

# set_up NAME: bring .venv to what NAME needs. Exits when that can't be done.
set_up() (
    root=$(cd "$root" && pwd -P)
    venv=$root/.venv
    log=$venv/set-up.log
    exec </dev/null >&2
    one_at_a_time
    if ready "$1" || only_dates_changed "$1"; then exit 0; fi
    if ! mkdir -p "$venv" 2>/dev/null || ! : 2>/dev/null >"$log"; then
        fail 1 "$root can't be written to; clone it where you may write"
    fi
    find_python
    install_system_packages "$1"
    make_venv
    install_package "$1"
    [ "$1" = igc ] || leave_stamp igc
    [ "$1" != release ] || leave_stamp test
    leave_stamp "$1"
    rm -f "$venv/unfinished"
    say "done"
)

say() { printf 'set-up: %s\n' "$*" >&2; }

fail() {
    code=$1
    shift
    say "$@"
    exit "$code"
}

fail_with_log() {
    say "$1; the end of $log:"
    tail -n 12 "$log" | sed 's/^/  | /' >&2
    exit 1
}

one_at_a_time() {
    command -v flock >/dev/null || return 0 # no util-linux, as on macOS
    exec 9<"$root"
    flock -n 9 && return
    say "waiting for another set-up of this checkout"
    flock 9
}

only_dates_changed() {
    stamp=$root/.venv/ready-$1
    [ -x "$venv/bin/igc" ] && [ -x "$venv/bin/python" ] && [ -r "$stamp/root" ] &&
        [ "$(cat "$stamp/root")" -ef "$root" ] &&
        cmp -s "$root/setup.cfg" "$stamp/setup.cfg" &&
        cmp -s "$root/requirements/card.txt" "$stamp/card.txt" &&
        cmp -s "$root/requirements/$1.txt" "$stamp/$1.txt" &&
        leave_stamp "$1" 2>/dev/null
}

leave_stamp() {
    new=$venv/.ready-$1
    rm -rf "$new" && mkdir "$new" &&
        cp -p "$root/setup.cfg" "$root/requirements/card.txt" \
            "$root/requirements/$1.txt" "$new" &&
        printf '%s\n' "$root" >"$new/root" &&
        rm -rf "$venv/ready-$1" && mv "$new" "$venv/ready-$1"
}

# -- Python ----------------------------------------------------------------------------------

# Sets python (its real path, so that an upgrade of the distribution's default is noticed),
# python_version, has_venv and has_headers (1 or 0). An empty python: none is installed.
find_python() {
    python='' found=''
    for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
        command -v "$candidate" >/dev/null || continue
        facts=$("$candidate" -I -c '
import importlib.util, os, sys, sysconfig
print(*sys.version_info[:2], sep=".", end=" ")
print(int(all(map(importlib.util.find_spec, ("venv", "ensurepip")))), end=" ")
print(int(os.path.exists(sysconfig.get_path("include") + "/Python.h")), end=" ")
print(os.path.realpath(sys.executable))' 2>/dev/null) || continue
        read -r python_version has_venv has_headers python <<FACTS
$facts
FACTS
        [ "${python_version#*.}" -ge 11 ] && [ "${python_version%%.*}" -eq 3 ] && return
        found="$found $python_version"
    done
    python=''
    [ -z "$found" ] || fail 1 "Python 3.11 or newer is needed; there is only:$found"
}

# -- the system's packages -------------------------------------------------------------------

install_system_packages() {
    packages=''
    if [ -z "$python" ]; then
        need python3 "to run igc"
        need python3-venv "to make .venv"
        has_headers=0
    elif [ "$has_venv" = 0 ]; then
        need "python${python_version}-venv" "to make .venv"
    fi
    if ! "$venv/bin/python" -c 'import smartcard.scard' 2>/dev/null; then
        command -v gcc >/dev/null || need "gcc libc6-dev" "to compile pyscard"
        [ -e /usr/include/PCSC/winscard.h ] || need libpcsclite-dev "to compile pyscard"
        [ "$has_headers" = 1 ] || need "python${python_version:-3}-dev" "to compile pyscard"
    fi
    on_path pcscd || need pcscd "the service that talks to card readers"
    if [ "$1" != igc ]; then
        [ -e /usr/lib/pcsc/drivers/serial/libifdvpcd.so ] ||
            need vsmartcard-vpcd "the virtual reader of the tests"
        on_path opensc-tool || need opensc "the tests compare with it"
        on_path openssl || need openssl "the tests compare with it"
        on_path softhsm2-util || need softhsm2 "the PKCS#11 token of the tests"
        on_path jq || need jq "the documentation shows it, and its tests use it"
        on_path zsh || need zsh "a shell whose completion is tested"
        on_path fish || need fish "a shell whose completion is tested"
        on_path groff || need groff-base "the pages of the manual are shown with it in the tests"
        on_path mandoc || need mandoc "it checks the pages of the manual in the tests"
        on_path nginx || need nginx-light "the web server of the examples' tests"
        on_path chromium || need chromium "the browser that opens the HTML report in the tests"
    fi
    [ -n "$packages" ] || return 0
    if ! command -v apt-get >/dev/null; then
        say "this system has no apt-get; install yourself what these packages hold:$packages"
    elif [ "$(id -u)" = 0 ]; then
        apt_install
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        apt_install sudo -n
    elif [ -z "${IGC_WITHOUT_SYSTEM_PACKAGES-}" ]; then
        say "this needs an administrator once; type:"
        printf '  sudo apt-get install -y --no-install-recommends%s\n' "$packages"
        say "or, to go on without card readers: IGC_WITHOUT_SYSTEM_PACKAGES=1 $0"
        exit 2
    fi
    [ -n "$python" ] || find_python
}

on_path() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }

need() {
    packages="$packages $1"
    say "system package $1: $2"
}

# apt_install [sudo -n]: $packages, after a refresh of the lists when they don't have them.
apt_install() {
    say "installing them with apt-get"
    set -- "$@" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300
    install="install -y --no-install-recommends $packages"
    # shellcheck disable=SC2086 # a list of words
    "$@" $install >>"$log" 2>&1 && return
    # shellcheck disable=SC2086
    "$@" update >>"$log" 2>&1 && "$@" $install >>"$log" 2>&1 && return
    say "apt-get could not install all of them (is there network? see $log); going on without"
}

# -- .venv -----------------------------------------------------------------------------------

make_venv() {
    if [ -e "$venv/unfinished" ]; then
        say "the last set-up was cut short; starting again"
    elif "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' \
        2>/dev/null; then
        : >"$venv/unfinished"
        return
    fi
    [ -n "$python" ] || fail 1 "Python 3.11 or newer is needed, with its venv module"
    say "making .venv with $python ($python_version)"
    kept=$(cat "$log")
    rm -rf "$venv"
    mkdir "$venv"
    : >"$venv/unfinished"
    printf '%s\n' "$kept" >"$log"
    "$python" -m venv "$venv" >>"$log" 2>&1 || fail_with_log "could not make .venv"
}

install_package() {
    say "installing what requirements/$1.txt locks, from PyPI"
    pip_install --require-hashes -r "$root/requirements/$1.txt" ||
        fail_cleanly "pip failed (is there network?)"
    say "compiling pyscard, for card readers"
    if ! PATH=$venv/bin:$PATH pip_install --require-hashes --no-build-isolation \
        -r "$root/requirements/card.txt"; then
        [ "$1" = igc ] || fail_cleanly "pyscard could not be built"
        say "pyscard could not be built: card readers are out of reach, all else works"
        say "to try again: remove $venv/ready-igc"
    fi
    pip_install --no-deps --no-build-isolation -e "$root" ||
        fail_cleanly "igcsante could not be installed"
}

# pip undoes what it could not finish, so what is there stays good; only a kill leaves a mess.
fail_cleanly() {
    rm -f "$venv/unfinished"
    fail_with_log "$1"
}

pip_install() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install "$@" >>"$log" 2>&1
}
