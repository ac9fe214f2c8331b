#!/bin/bash
# clang-tidy on the source files that changed: not yet committed, or in the last commit. Beast's files are left out
# (minutes each); all files at once: TROUPE_TIDY=all ./check
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly FILES_MAX=12  # each takes 5 to 15 s
if [ "${TROUPE_TIDY:-}" = all ]; then
  mapfile -t files < <(git ls-files '*.cpp')
else
  base=$(git rev-parse --verify --quiet HEAD~1 || git hash-object -t tree /dev/null)
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$base" -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp'; } |
    sort -u | head -n $FILES_MAX)
fi
checked=()
for file in "${files[@]}"; do
  grep -q "$file" build/dev/compile_commands.json || continue
  grep -q '#include <boost/beast' "$file" && continue
  checked+=("$file")
done
[ ${#checked[@]} -eq 0 ] && exit 0
echo "== clang-tidy: ${#checked[@]} changed files"
# Without the flags of g++'s that clang does not know.
mkdir -p build/check
sed 's/ -fno-tree-[a-z]*//g' build/dev/compile_commands.json >build/check/compile_commands.json
printf '%s\n' "${checked[@]}" | xargs -P 2 -n 1 clang-tidy --quiet -p build/check --extra-arg=-Wno-unknown-warning-option 2>/dev/null
