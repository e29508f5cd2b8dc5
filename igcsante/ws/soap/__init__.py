"""Requests and answers on the wire: envelopes, headers, attachments, faults, the way there."""
