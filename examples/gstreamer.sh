#!/bin/sh
# Captions whatever GStreamer reads: a sound card, a file, a camera, an element of your own.
#
#   ./gstreamer.sh                                    the default microphone
#   ./gstreamer.sh filesrc location=talk.ogg ! decodebin
#   ./gstreamer.sh rtspsrc location=rtsp://camera.example/room ! decodebin
#
# GREFFIER_SERVER and GREFFIER_TOKEN name the server, GREFFIER_OPTIONS what else `greffier stream`
# is to do, such as "--language fr --translate en".
set -eu
if [ $# -eq 0 ]; then set -- autoaudiosrc; fi
# shellcheck disable=SC2086 - a list of words
gst-launch-1.0 --quiet "$@" ! audioconvert ! audioresample ! \
    audio/x-raw,format=S16LE,rate=16000,channels=1 ! fdsink fd=1 |
    greffier stream ${GREFFIER_OPTIONS:-} -
