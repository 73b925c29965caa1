#!/bin/sh
# Install the course from this kit, without the internet.
#   from a stick:                    sh install.sh [FOLDER]
#   from a teacher's machine:        export KIT=http://ADDRESS:8000
#                                    curl -fsS $KIT/install.sh | sh      (or: wget -qO- $KIT/install.sh | sh)
# FOLDER, by default effdet_lite in your home folder, must be empty or not be there.
set -eu

stop() {
  echo "install: $1" >&2
  exit 1
}

kit=${KIT:-}
if [ -z "$kit" ]; then
  [ -f "$0" ] || stop "say where the kit is: export KIT=http://ADDRESS:8000"
  kit=$(cd "$(dirname "$0")" && pwd)
fi
kit=${kit%/}
folder=${1:-$HOME/effdet_lite}

case "$(uname -s) $(uname -m)" in
  "Linux x86_64") system=linux ;;
  "Darwin arm64") system=macos ;;
  *) stop "no kit has packages for $(uname -s) on $(uname -m): share a screen in the room." ;;
esac
case " @SYSTEMS@ " in
  *" $system "*) ;;
  *) stop "this kit was made for @SYSTEMS@, and not for $system: ask for another one." ;;
esac

mkdir -p "$folder/.tools" || stop "$folder cannot be written: name another folder."
folder=$(cd "$folder" && pwd)
tools=$folder/.tools

bring() { # one file of the kit, into $tools
  case $kit in
    http://* | https://*)
      if command -v curl >/dev/null; then
        curl -fsS "$kit/$1" -o "$tools/${1##*/}"
      else
        wget -q "$kit/$1" -O "$tools/${1##*/}"
      fi
      ;;
    *) cp "$kit/$1" "$tools/${1##*/}" ;;
  esac || stop "$kit/$1 is not to be had: is the stick in, or the teacher's machine on?"
}

bring "uv/$system/uv"
bring install.py
chmod +x "$tools/uv"
case $kit in
  http://* | https://*) mirror=$kit/python ;;
  *) mirror=file://$(printf '%s' "$kit/python" | sed 's/%/%25/g; s/ /%20/g; s/#/%23/g; s/?/%3F/g') ;;
esac
export UV_NO_CONFIG=1 UV_CACHE_DIR="$folder/.uv-cache" UV_PYTHON_INSTALL_DIR="$folder/.python"

python=
for version in @PYTHONS@; do
  python=$("$tools/uv" python find --no-project --no-python-downloads --system "$version" 2>/dev/null) && break
  python=
done
if [ -z "$python" ]; then
  for version in @PYTHONS@; do
    UV_PYTHON_INSTALL_MIRROR=$mirror "$tools/uv" python install --no-bin "$version" &&
      python=$("$tools/uv" python find --no-project --no-python-downloads "$version") && break
  done
fi
[ -n "$python" ] || stop "there is no Python here of @PYTHONS@, and the kit brings none: install one of them first."

status=0
"$python" "$tools/install.py" --kit "$kit" --folder "$folder" --system "$system" --uv "$tools/uv" || status=$?
rm -rf "$tools"
exit $status
