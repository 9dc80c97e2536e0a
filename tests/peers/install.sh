#!/bin/sh
# Installs the DICOM peers that the tests talk to, where this user may. Starts no service.
missing=""
for program in storescu storescp echoscu dcmsend dsr2html dsrdump; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -z "$missing" ] && exit 0

as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq dcmtk >/dev/null && exit 0
fi
echo "peers: the tests against DCMTK are left out ($missing missing); to run them: apt-get install dcmtk" >&2
