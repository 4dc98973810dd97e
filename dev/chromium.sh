#!/bin/sh
# Print the path of a Chromium that plays H.264: $CHROMIUM, or the system's. Installs Debian's where it may.
set -eu

find_it() { command -v "${CHROMIUM:-chromium}" || command -v chromium-browser; }

if find_it; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium with apt-get" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
        >&2 </dev/null
    if find_it; then exit 0; fi
fi
echo "There is no Chromium. Install it (Debian: apt install chromium), or name one: CHROMIUM=/path/to/chromium" >&2
exit 1
