#!/bin/bash
# Makes, without rights and without changing the machine, what runs the artifact for arm64 on an x86_64 Debian 12:
# FOLDER/python, Debian's arm64 Python under QEMU, and FOLDER/client, Lambda's runtime interface client for it.
#
#   tests/deploy/arm64.sh FOLDER && EMULATED_ARM64=FOLDER make test ARGS=tests/deploy/test_package.py
set -euo pipefail

folder=$(mkdir -p "$1" && realpath "$1")
project=$(realpath "$(dirname "$0")/../..")
libraries=(libc6 libexpat1 libffi8 libssl3 libuuid1 zlib1g libbz2-1.0 liblzma5 libgcc-s1 libstdc++6)
packages=(python3.11-minimal libpython3.11-minimal libpython3.11-stdlib "${libraries[@]}")

mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,debs,root,qemu}
apt=(apt-get -qq -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=
  -o Dir::State="$folder/state" -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache")
"${apt[@]}" update
(cd "$folder/debs" && "${apt[@]}" download qemu-user-static "${packages[@]/%/:arm64}")
for deb in "$folder"/debs/*_arm64.deb; do dpkg -x "$deb" "$folder/root"; done
dpkg -x "$folder"/debs/qemu-user-static_*.deb "$folder/qemu"

cat > "$folder/python" <<END
#!/bin/sh
exec "$folder/qemu/usr/bin/qemu-aarch64-static" -L "$folder/root" "$folder/root/usr/bin/python3.11" "\$@"
END
chmod +x "$folder/python"

"$project/.venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --only-binary=:all: --upgrade \
  --platform=manylinux2014_aarch64 --python-version=3.11 --target="$folder/client" \
  $("$project/.venv/bin/python" -m pip freeze | grep -E '^(awslambdaric|simplejson|snapshot-restore-py)==')
"$folder/python" -c 'import platform; print(platform.machine(), platform.python_version())'
