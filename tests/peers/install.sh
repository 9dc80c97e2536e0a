#!/bin/sh
# Installs the DICOM peers, the load balancer and the network tools of a cluster, the database server with its pooler, the browser and
# OHIF's packages that the tests use, where this user may. Starts no service.
PATH="$PATH:/usr/sbin"
ohif="$(dirname "$0")/ohif"
if command -v npm >/dev/null 2>&1; then
    cmp -s "$ohif/package-lock.json" "$ohif/node_modules/installed.json" ||
        { npm ci --prefix "$ohif" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null &&
            cp "$ohif/package-lock.json" "$ohif/node_modules/installed.json"; } ||
        echo "peers: the tests of OHIF are left out: npm ci --prefix $ohif failed" >&2
else
    echo "peers: the tests of OHIF are left out; to run them: install Node 20 or later with npm" >&2
fi

missing=""
for program in dcmqrscp storescu storescp echoscu findscu dcmsend dsr2html dsrdump; do
    command -v "$program" >/dev/null 2>&1 || missing="dcmtk"
done
command -v Orthanc >/dev/null 2>&1 || missing="$missing orthanc"
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc-dicomweb"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v faketime >/dev/null 2>&1 || missing="$missing faketime"
[ -e /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
[ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
[ -z "$missing" ] && exit 0

as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $missing >/dev/null && exit 0
fi
echo "peers: some tests are left out; to run them: apt-get install $missing" >&2
