#!/bin/sh
# Captions whatever ffmpeg can read: a file, a stream, a sound card.
#
#   ./ffmpeg.sh recording.mp4                          a file, at the speed it was recorded
#   ./ffmpeg.sh rtsp://camera.example/room             a camera
#   ./ffmpeg.sh "-f pulse" default                     what a Linux desktop hears
#
# GREFFIER_SERVER and GREFFIER_TOKEN name the server, GREFFIER_OPTIONS what else `greffier stream`
# is to do, such as "--language fr --translate en".
set -eu
if [ $# -eq 2 ]; then format=$1; shift; else format=-re; fi
# shellcheck disable=SC2086 - both are lists of words
ffmpeg -nostdin -loglevel error $format -i "$1" -f s16le -ac 1 -ar 16000 - |
    greffier stream ${GREFFIER_OPTIONS:-} -
