#!/bin/sh
# Installs the DICOM peers, the load balancer and the network tools of a cluster, the database server with its pooler, the browser,
# fonts, and the packages of OHIF and Medplum that the tests use, where this user may. Starts no service.
PATH="$PATH:/usr/sbin"
here="$(dirname "$0")"
if command -v npm >/dev/null 2>&1; then
    for peer in "$here/ohif" "$here/medplum"; do
        cmp -s "$peer/package-lock.json" "$peer/node_modules/installed.json" ||
            { npm ci --prefix "$peer" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null &&
                cp "$peer/package-lock.json" "$peer/node_modules/installed.json"; } ||
            echo "peers: the tests of ${peer##*/} are left out: npm ci --prefix $peer failed" >&2
    done
else
    echo "peers: the tests of OHIF and Medplum are left out; to run them: install Node 20 or later with npm" >&2
fi

s3="$(dirname "$0")/../../build/s3-peer"
requirements="$(dirname "$0")/s3_requirements.txt"
cmp -s "$requirements" "$s3/installed.txt" ||
    { python3 -m venv "$s3" && "$s3/bin/pip" install -q --disable-pip-version-check -r "$requirements" &&
        cp "$requirements" "$s3/installed.txt"; } ||
    echo "peers: the tests of S3 against moto are left out: pip install -r $requirements failed" >&2

missing=""
for program in dcmqrscp storescu storescp echoscu findscu dcmsend dcm2pdf dsr2html dsrdump; do
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
command -v pdftotext >/dev/null 2>&1 || missing="$missing poppler-utils"
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing="$missing fonts-dejavu-core"
[ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || missing="$missing fonts-noto-cjk"
[ -z "$missing" ] && exit 0

as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $missing >/dev/null && exit 0
fi
echo "peers: some tests are left out; to run them: apt-get install $missing" >&2
