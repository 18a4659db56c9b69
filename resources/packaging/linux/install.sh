#!/bin/sh
# Install poolviz for the current user, without root, or remove it:
#   ./install.sh [--prefix DIR]               into DIR, by default ~/.local
#   ./install.sh --uninstall [--prefix DIR]
# Recorded sessions are not touched.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
prefix=${HOME:?HOME is not set}/.local
remove=no

while [ $# -gt 0 ]; do
  case $1 in
    --uninstall) remove=yes ;;
    --prefix)
      [ $# -gt 1 ] || { echo "install.sh: --prefix needs a folder." >&2; exit 2; }
      shift
      case $1 in /*) prefix=$1 ;; *) prefix=$(pwd)/$1 ;; esac
      ;;
    *) echo "install.sh: unknown option $1; the options are --prefix DIR and --uninstall." >&2; exit 2 ;;
  esac
  shift
done

program=$prefix/lib/poolviz
link=$prefix/bin/poolviz
share=$prefix/share
sizes="16 24 32 48 64 128 256 512"

# Update the desktop's caches of programs, file types and icons, where it has them.
refresh() {
  quietly update-desktop-database -q "$share/applications"
  quietly update-mime-database "$share/mime"
  quietly gtk-update-icon-cache -q -t -f "$share/icons/hicolor"
}

quietly() {
  if command -v "$1" >/dev/null 2>&1; then "$@" >/dev/null 2>&1 || true; fi
}

remove_all() {
  rm -rf "$program" "$program.new" "$program.old"
  if [ "$(readlink "$link" 2>/dev/null || true)" = "$program/poolviz" ]; then rm -f "$link"; fi
  rm -f "$share/applications/poolviz.desktop" "$share/mime/packages/poolviz.xml" \
    "$share/metainfo/org.poolviz.poolviz.metainfo.xml" \
    "$share/icons/hicolor/scalable/apps/poolviz.svg"
  for size in $sizes; do rm -f "$share/icons/hicolor/${size}x$size/apps/poolviz.png"; done
  refresh
}

if [ "$remove" = yes ]; then
  remove_all
  echo "poolviz is removed from $prefix. Your recorded sessions are still in your data folder."
  exit 0
fi

[ -x "$here/poolviz/poolviz" ] || {
  echo "install.sh: there is no folder poolviz beside this script: unpack the whole archive." >&2
  exit 2
}
if [ -e "$link" ] || [ -L "$link" ]; then
  [ "$(readlink "$link" 2>/dev/null || true)" = "$program/poolviz" ] || {
    echo "install.sh: $link exists and belongs to another program: move it, or use another --prefix." >&2
    exit 2
  }
fi

mkdir -p "$prefix/lib" "$prefix/bin" "$share/applications"
rm -rf "$program.new" "$program.old"
cp -R "$here/poolviz" "$program.new"
cp "$here/install.sh" "$program.new/install.sh"
if [ -e "$program" ]; then mv "$program" "$program.old"; fi
mv "$program.new" "$program"
rm -rf "$program.old"
ln -sf "$program/poolviz" "$link"
(cd "$here/share" && find . -type f) | while IFS= read -r file; do
  mkdir -p "$share/$(dirname "$file")"
  cp "$here/share/$file" "$share/$file"
done
# A desktop may not have ~/.local/bin in its PATH. A quoted path in Exec may contain spaces.
quoted=$(printf '%s' "$program/poolviz" | sed 's/[\\"`$]/\\&/g; s/%/%%/g')
awk -v start="$quoted" '/^Exec=/ { print "Exec=\"" start "\" %f"; next } { print }' \
  "$here/share/applications/poolviz.desktop" >"$share/applications/poolviz.desktop"
refresh

echo "poolviz is installed: $link"
case ":$PATH:" in
  *":$prefix/bin:"*) ;;
  *) echo "$prefix/bin isn't in your PATH; start poolviz from the menu of your desktop, or add it." ;;
esac
if [ "$prefix" = "$HOME/.local" ]; then where=; else where=" --prefix '$prefix'"; fi
echo "To remove it: '$program/install.sh' --uninstall$where"
