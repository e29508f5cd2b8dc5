"""The Online Certificate Status Protocol (RFC 6960): requests, answers, who may sign them."""
