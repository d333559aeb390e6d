#!/bin/sh
# Runs beside the agent, in its pod or on the runner: starts Codex detached, keeps its time, shows its events, ends it.
# POSIX sh; everything from outside comes as an argument or a file, never as a piece of script.
#
#   agent.sh state  RUN                      one word and details: new | running | lost | finished CODE REASON CLEAN COLLECTED
#   agent.sh put    RUN NAME SIZE            SIZE bytes of stdin become RUN/NAME
#   agent.sh start  RUN HOME WORK TOTAL IDLE THREAD OWNER [VARIABLE...]
#                                            THREAD: thread to resume or -; OWNER: pid that must stay, or 0;
#                                            VARIABLE: names that are kept although they look like tokens
#   agent.sh follow RUN OFFSET SECONDS       events from OFFSET; exit 0 all of them, 75 there may be more, 76 lost
#   agent.sh stop   RUN REASON               end the process tree; exit 0 nothing is left, 1 something is
#   agent.sh tokens RUN HOME                 what the thread has used so far, by Codex's own record: JSON, or nothing
#   agent.sh log    RUN LINES                last lines of what Codex wrote beside its events
#   agent.sh tree   RUN WORK                 a word for the content of the working copy, ignored files left out
#   agent.sh collected RUN                   the ending has been read
#   agent.sh rotate RUN                      put a run aside, so that its key is new again
umask 077
mode=$1 run=$2

uptime_seconds() { read -r up _ </proc/uptime; echo "${up%%.*}"; }

nap() { sleep "$1" 2>/dev/null || sleep 1; }

# Which life of the container this is: process ids mean nothing in another one.
life() { { hostname 2>/dev/null; cut -d ' ' -f 22 /proc/1/stat; } 2>/dev/null | tr '\n' ' '; }

alive() {
  [ -n "$1" ] && [ -d "/proc/$1" ] || return 1
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  case ${stat##*) } in Z* | X*) return 1 ;; esac
}

supervisor_alive() {
  [ -f "$run/supervisor" ] && [ "$(cat "$run/life" 2>/dev/null)" = "$(life)" ] && alive "$(cat "$run/supervisor")"
}

state() {
  if [ -f "$run/exit" ]; then
    collected=no
    [ -f "$run/collected" ] && collected=yes
    echo "finished $(cat "$run/exit") $collected"
  elif [ ! -d "$run/started" ]; then
    echo new
  elif supervisor_alive; then
    echo running
  else
    echo lost
  fi
}

# All processes of this run: those that carry its mark in their environment, and those below its first process.
members() {
  pairs=''
  for folder in /proc/[0-9]*; do
    stat=$(cat "$folder/stat" 2>/dev/null) || continue
    rest=${stat##*) }
    case $rest in Z* | X*) continue ;; esac
    rest=${rest#* }
    pairs="$pairs ${folder#/proc/}:${rest%% *}"
  done
  found=' '
  first=$(cat "$run/pid" 2>/dev/null)
  for pair in $pairs; do
    pid=${pair%%:*}
    [ "$pid" = "$$" ] && continue
    if [ "$pid" = "$first" ] || tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "AGENT_RUN=$run"; then
      found="$found$pid "
    fi
  done
  grown=yes
  while [ "$grown" = yes ]; do
    grown=no
    for pair in $pairs; do
      pid=${pair%%:*} parent=${pair#*:}
      [ "$pid" = "$$" ] && continue
      case $found in *" $pid "*) continue ;; esac
      case $found in *" $parent "*) found="$found$pid " grown=yes ;; esac
    done
  done
  echo "$found"
}

# What the thread has used so far. Codex tells it in its events when a turn is over, and in its record all the time.
tokens() {
  find "$1/sessions" -name 'rollout-*.jsonl' -newer "$run/prompt.md" -exec tail -c 400000 '{}' ';' 2>/dev/null |
    grep -o '"total_token_usage":{[^}]*}' | tail -n 1 | cut -d : -f 2- | head -c 1000
}

# Whether the volume has no room left, so that events were lost.
is_full() {
  free=$(df -Pk "$run" 2>/dev/null | tail -n 1 | sed 's/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/')
  [ "$free" -lt 256 ] 2>/dev/null
}

over_limit() {
  [ -s "$run/limit" ] || return 1
  used=$(tokens "$1" | grep -o '"total_tokens":[0-9]*' | tail -n 1)
  [ "${used#*:}" -ge "$(cat "$run/limit")" ] 2>/dev/null
}

# TERM, then KILL after two seconds. Status 1 where something is left.
end_tree() {
  [ "$(cat "$run/life" 2>/dev/null)" = "$(life)" ] || return 0
  round=0
  seen=''
  while [ "$round" -lt 40 ]; do
    left=$(members)
    [ -n "${left# }" ] || return 0
    signal=TERM
    [ "$round" -ge 8 ] && signal=KILL
    for pid in $left; do
      case "$signal $seen" in
        TERM*" $pid "*) ;;
        *) kill -s "$signal" "$pid" 2>/dev/null ;;
      esac
      seen="$seen $pid "
    done
    nap 0.25
    round=$((round + 1))
  done
  return 1
}

clean_environment() {
  names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p')
  for name in $names; do
    case $name in
      GH_TOKEN | GITHUB_TOKEN | GITHUB_PAT | *_GH_PAT | CODEXCTL_* | ACTIONS_* | RUNNER_* | GITHUB_* | INPUT_* | KUBECONFIG) ;;
      *) continue ;;
    esac
    case " $kept " in *" $name "*) ;; *) unset "$name" ;; esac
  done
}

supervise() {
  home=$1 work=$2 total=$3 idle=$4 thread=$5 owner=$6
  shift 6
  kept="$*"
  trap '' HUP
  life >"$run/life"
  echo "$$" >"$run/supervisor"
  cd "$work" 2>>"$run/stderr.log" || { echo "126 ended clean" >"$run/exit.new" && mv "$run/exit.new" "$run/exit"; return; }
  clean_environment
  cp "$run/config.toml" "$home/config.toml"
  if command -v codex >/dev/null 2>&1; then
    set -- codex
  else
    set -- npx -y @openai/codex
  fi
  export CODEX_HOME="$home"
  logged_in=no
  if [ -n "${OPENAI_API_KEY:-}" ] && [ ! -f "$home/auth.json" ]; then
    logged_in=yes
    printenv OPENAI_API_KEY | "$@" login --with-api-key >>"$run/stderr.log" 2>&1
  fi
  set -- "$@" exec
  if [ "$thread" != - ]; then set -- "$@" resume; fi
  set -- "$@" --json --skip-git-repo-check
  if [ "$thread" != - ]; then set -- "$@" "$thread"; fi
  set -- "$@" -
  # Room for the ending, where the agent leaves none.
  for number in 1 2; do head -c 65536 /dev/zero >"$run/room.$number"; done
  session=''
  command -v setsid >/dev/null 2>&1 && session=setsid
  (
    AGENT_RUN=$run $session "$@" <"$run/prompt.md" >>"$run/events.jsonl" 2>>"$run/stderr.log" &
    child=$!
    echo "$child" >"$run/pid"
    wait "$child"
    code=$?
    rm -f "$run/room.1"
    echo "$code" >"$run/code.new"
    mv "$run/code.new" "$run/code"
  ) &
  wrapper=$!
  begun=$(uptime_seconds) changed=$(uptime_seconds) size=0
  reason=ended
  round=0
  while [ ! -f "$run/code" ]; do
    now=$(uptime_seconds)
    grown=$(wc -c <"$run/events.jsonl")
    [ "$grown" -eq "$size" ] || { size=$grown changed=$now; }
    if [ -f "$run/stop" ]; then
      reason=$(cat "$run/stop")
    elif [ $((now - begun)) -ge "$total" ]; then
      reason=total
    elif [ $((now - changed)) -ge "$idle" ]; then
      reason=idle
    elif [ "$owner" -gt 0 ] && ! alive "$owner"; then
      reason=owner
    elif ! alive "$wrapper" && [ ! -f "$run/code" ]; then
      reason=killed
    elif [ $((round % 6)) -eq 0 ] && over_limit "$home"; then
      reason=tokens
    fi
    round=$((round + 1))
    [ "$reason" = ended ] || break
    nap 0.3
  done
  # What the agent left running ends with it, and nobody waits for an orphan that holds a stream.
  alive_after=clean
  end_tree || alive_after=alive
  [ "$logged_in" = yes ] && rm -f "$home/auth.json"
  code=$(cat "$run/code" 2>/dev/null || echo 137)
  if [ "$reason" = ended ] && is_full; then reason=full; fi
  rm -f "$run/room.1" "$run/room.2"
  echo "$code $reason $alive_after" >"$run/exit.new"
  mv "$run/exit.new" "$run/exit"
}

# The tree that git would make of the working copy, whatever the agent did to branches and index; where git can't
# say, a digest of all files.
tree() {
  cd "$1" || exit 1
  mkdir -p "$run" || exit 1
  index=$run/index.$$
  cp .git/index "$index" 2>/dev/null
  export GIT_INDEX_FILE="$index" GIT_OPTIONAL_LOCKS=0 GIT_TERMINAL_PROMPT=0
  if [ -e .git ] && safe_git add -A -- . ':(exclude).codexctl' >/dev/null 2>&1 && word=$(safe_git write-tree 2>/dev/null); then
    echo "git-$word"
  else
    # Links are told by where they lead: what they lead to may never end.
    word=$({
      find . \( -path ./.git -o -path ./.codexctl \) -prune -o -type f -exec sha256sum {} + 2>/dev/null
      find . \( -path ./.git -o -path ./.codexctl \) -prune -o -type l -exec ls -l {} + 2>/dev/null
    } | sort | sha256sum)
    echo "all-${word%% *}"
  fi
  rm -f "$index" "$index.lock"
}

safe_git() { git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c "safe.directory=$PWD" "$@"; }

case $mode in
  state) state ;;
  put)
    mkdir -p "$run" || exit 1
    head -c "$4" >"$run/$3.$$" && mv "$run/$3.$$" "$run/$3"
    ;;
  start)
    # Whoever makes this folder starts the agent; any other run joins.
    if ! mkdir "$run/started" 2>/dev/null; then
      state
      exit 0
    fi
    : >"$run/events.jsonl"
    : >"$run/stderr.log"
    script=$0
    shift 2
    if command -v setsid >/dev/null 2>&1; then
      setsid sh "$script" supervise "$run" "$@" </dev/null >>"$run/supervisor.log" 2>&1 &
    else
      sh "$script" supervise "$run" "$@" </dev/null >>"$run/supervisor.log" 2>&1 &
    fi
    round=0
    while [ ! -f "$run/supervisor" ] && [ "$round" -lt 50 ]; do
      nap 0.1
      round=$((round + 1))
    done
    state
    ;;
  supervise)
    shift 2
    supervise "$@"
    ;;
  follow)
    offset=$3
    until=$(($(uptime_seconds) + $4))
    while :; do
      ended=no
      [ -f "$run/exit" ] && ended=yes
      size=$(wc -c <"$run/events.jsonl" 2>/dev/null || echo 0)
      if [ "$size" -gt "$offset" ]; then
        tail -c "+$((offset + 1))" "$run/events.jsonl" | head -c "$((size - offset))"
        offset=$size
      fi
      [ "$ended" = yes ] && exit 0
      supervisor_alive || [ -f "$run/exit" ] || exit 76
      [ "$(uptime_seconds)" -ge "$until" ] && exit 75
      nap 0.3
    done
    ;;
  stop)
    if [ ! -f "$run/exit" ] && supervisor_alive; then
      echo "$3" >"$run/stop.new" && mv "$run/stop.new" "$run/stop"
      round=0
      while [ ! -f "$run/exit" ] && [ "$round" -lt 60 ] && supervisor_alive; do
        nap 0.3
        round=$((round + 1))
      done
    fi
    if ! end_tree; then exit 1; fi
    [ -f "$run/exit" ] || echo "137 $3 clean" >"$run/exit"
    ;;
  tokens) tokens "$3" ;;
  log) tail -n "$3" "$run/stderr.log" 2>/dev/null | head -c 20000 ;;
  tree) tree "$3" ;;
  collected) : >"$run/collected" ;;
  rotate)
    number=1
    while [ -e "$run.$number" ]; do number=$((number + 1)); done
    mv "$run" "$run.$number"
    ;;
  *) exit 64 ;;
esac
