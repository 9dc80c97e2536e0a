#!/bin/sh
# Installs the DICOM peers, the database server and the browser that the tests use, where this user may. Starts no service.
PATH="$PATH:/usr/sbin"
missing=""
for program in storescu storescp echoscu findscu dcmsend dsr2html dsrdump; do
    command -v "$program" >/dev/null 2>&1 || missing="dcmtk"
done
command -v Orthanc >/dev/null 2>&1 || missing="$missing orthanc"
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc-dicomweb"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
[ -z "$missing" ] && exit 0

as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $missing >/dev/null && exit 0
fi
echo "peers: some tests are left out; to run them: apt-get install $missing" >&2
