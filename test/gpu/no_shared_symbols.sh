#!/bin/sh
# no_shared_symbols.sh libgpu.a AR NM: the kernels of an instruction set define no weak or unique symbol and call nothing
# but memory functions. Such a symbol might be linked in place of one that every CPU can run.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
found=0
for member in $("$2" t "$1" | grep -E 'kernels_(avx|neon|i8mm)'); do
  found=1
  "$2" x "$1" "$member"
  if "$3" -C "$member" | grep -E ' [WVu] '; then
    echo "$member defines symbols the linker may share"
    exit 1
  fi
  if "$3" "$member" | grep ' U ' | grep -vE ' (memcpy|memset|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)$'; then
    echo "$member calls functions of other files"
    exit 1
  fi
done
if [ "$found" = 0 ]; then echo "no kernels of an instruction set in this build"; exit 1; fi
