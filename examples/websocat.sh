#!/bin/sh
# Reads a session over the native WebSocket, one JSON message a line (https://github.com/vi/websocat).
#
#   ./websocat.sh ws://127.0.0.1:8765 SESSION
#
# GREFFIER_TOKEN, where the server wants one, goes as a subprotocol, as browsers give it.
set -eu
protocols=greffier.v1${GREFFIER_TOKEN:+, token.$GREFFIER_TOKEN}
printf '{"type":"watch","session":"%s"}\n' "$2" |
    websocat --no-close --protocol "$protocols" "$1/v1/live"
