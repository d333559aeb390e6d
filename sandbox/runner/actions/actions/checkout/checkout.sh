#!/usr/bin/env bash
# Checks a repository out with plain git. The token is never in a command line: git gets it by environment.
set -euo pipefail

target="$GITHUB_WORKSPACE/$INPUT_PATH"
case "$(realpath -m "$target")/" in
  "$(realpath -m "$GITHUB_WORKSPACE")"/*) ;;
  *) echo "::error::path $INPUT_PATH is not under the workspace" ; exit 1 ;;
esac
mkdir -p "$target"
cd "$target"

url="$GITHUB_SERVER_URL/$INPUT_REPOSITORY.git"
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1
header=""
if [ -n "$INPUT_TOKEN" ]; then
  header="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$INPUT_TOKEN" | base64 -w0)"
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.$GITHUB_SERVER_URL/.extraheader" GIT_CONFIG_VALUE_0="$header"
fi

[ -d .git ] || git init -q .
git remote remove origin 2>/dev/null || true
git remote add origin "$url"

ref="$INPUT_REF"
if [ -z "$ref" ] && [ "${INPUT_REPOSITORY,,}" = "${GITHUB_REPOSITORY,,}" ]; then
  ref="$GITHUB_SHA"
fi
depth=()
[ "$INPUT_FETCH_DEPTH" = 0 ] || depth=(--depth "$INPUT_FETCH_DEPTH")

names="$(git ls-remote origin)"
has() { grep -qP "\t\Q$1\E\$" <<<"$names"; }
branch=""
if [ -z "$ref" ]; then
  ref="$(git ls-remote --symref origin HEAD | sed -n 's#^ref: \(refs/heads/.*\)\tHEAD$#\1#p')"
fi
case "$ref" in
  refs/heads/*) branch="${ref#refs/heads/}" ; wanted="$ref" ;;
  refs/*) wanted="$ref" ;;
  *)
    if [[ "$ref" =~ ^[0-9a-f]{40}$ ]]; then wanted="$ref"
    elif has "refs/heads/$ref"; then branch="$ref" ; wanted="refs/heads/$ref"
    elif has "refs/tags/$ref"; then wanted="refs/tags/$ref"
    else echo "::error::A branch or tag with the name '$ref' could not be found"; exit 1
    fi ;;
esac

[ "$INPUT_FETCH_DEPTH" != 0 ] || git fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*'
if [ -n "$branch" ]; then
  git fetch -q "${depth[@]}" origin "+$wanted:refs/remotes/origin/$branch"
  git checkout -q --force -B "$branch" "refs/remotes/origin/$branch"
else
  git fetch -q "${depth[@]}" origin "$wanted"
  git checkout -q --force --detach FETCH_HEAD
fi
[ "$INPUT_CLEAN" != true ] || git clean -qffdx

if [ "$INPUT_PERSIST_CREDENTIALS" = true ] && [ -n "$header" ]; then
  chmod 600 .git/config
  printf '[http "%s/"]\n\textraheader = %s\n' "$GITHUB_SERVER_URL" "$header" >> .git/config
fi
commit="$(git rev-parse HEAD)"
{ echo "ref=$INPUT_REF"; echo "commit=$commit"; } >> "$GITHUB_OUTPUT"
echo "checked out $INPUT_REPOSITORY at $commit"
