#!/bin/sh
# Prints a session's committed text as it comes, with nothing but curl and sed.
#
#   ./captions-sse.sh http://127.0.0.1:8765 SESSION
#
# GREFFIER_TOKEN, where the server wants one, is given in a header, so that no log shows it.
set -eu
server=$1 session=$2
printf 'header = "Authorization: Bearer %s"\n' "${GREFFIER_TOKEN:-}" |
    curl --silent --show-error --fail --no-buffer --config - \
        "$server/v1/sessions/$session/live?languages=" |
    sed -u -n 's/^data: {"type":"caption".*"committed":"\(\([^"\\]\|\\.\)*\)","tail".*/\1/p' |
    sed -u '/^$/d'
