#!/bin/sh
# no_shared_symbols.sh libgpu.a: the kernels of an instruction set define no weak or unique symbol and call nothing but
# memory functions. Such a symbol might be linked in place of one that every CPU can run.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
found=0
for member in $(ar t "$1" | grep -E 'kernels_avx'); do
  found=1
  ar x "$1" "$member"
  if nm -C "$member" | grep -E ' [WVu] '; then
    echo "$member defines symbols the linker may share"
    exit 1
  fi
  if nm "$member" | grep ' U ' | grep -vE ' (memcpy|memset|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)$'; then
    echo "$member calls functions of other files"
    exit 1
  fi
done
[ "$found" = 1 ] || echo "no kernels of an instruction set in this build"
