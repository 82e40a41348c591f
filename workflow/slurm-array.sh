#!/usr/bin/env bash
# Runs a plan on Slurm with sbatch alone: an array job of the shards that are not done yet, then a job that merges them.
# Run it again after a failure: only what is missing is submitted. Needs python3 (any) where it is called, to read JSON.
set -euo pipefail

usage() {
  cat <<'EOT'
usage: workflow/slurm-array.sh --plan FILE [OPTIONS] [-- SBATCH-OPTIONS]
  --plan FILE      what `swiftqtl plan` wrote
  --out PREFIX     prefix of the merged tables (default: the plan's)
  --threads N      CPUs and threads of a shard (default: the plan's)
  --mem MIB        memory of a shard (default: the plan's estimate and a third more)
  --time MINUTES   time limit of a shard (default: twice the plan's estimate and 10 more)
  --program PATH   swiftqtl, as the nodes see it (default: swiftqtl)
  --dry-run        print what would be submitted

What follows -- goes to every sbatch, e.g. -- --partition=long --account=lab. Logs go to STEM.logs, beside the plan STEM.json.
EOT
}

die() {
  printf 'slurm-array: %s\n' "$*" >&2
  exit 1
}

plan='' out='' threads='' memory='' minutes='' program=swiftqtl dry_run=
while (($#)); do
  case $1 in
  -h | --help) usage && exit ;;
  --dry-run)
    dry_run=1
    shift
    continue
    ;;
  --)
    shift
    break
    ;;
  --plan | --out | --threads | --mem | --time | --program) (($# > 1)) || die "$1 needs a value" ;;&
  --plan) plan=$2 ;;
  --out) out=$2 ;;
  --threads) threads=$2 ;;
  --mem) memory=$2 ;;
  --time) minutes=$2 ;;
  --program) program=$2 ;;
  *) usage >&2 && exit 2 ;;
  esac
  shift 2
done
[[ -n $plan ]] || { usage >&2 && exit 2; }
[[ -r $plan ]] || die "$plan cannot be read"
for number in "$threads" "$memory" "$minutes"; do
  [[ $number =~ ^([1-9][0-9]*)?$ ]] || die "$number: --threads, --mem (MiB) and --time (minutes) are whole numbers"
done
sbatch_options=("$@")

# id, shards, threads, MiB, minutes; the estimate holds for the threads it was made for.
read -r id shards threads memory minutes < <(
  python3 - "$plan" "${threads:-0}" "${memory:-0}" "${minutes:-0}" <<'EOT'
import json, math, sys
plan = json.load(open(sys.argv[1]))
threads, memory, minutes = map(int, sys.argv[2:])
if not (threads and memory and minutes):
    estimate = plan.get("estimate")
    if not estimate:
        sys.exit("the plan has no estimate: give --threads, --mem and --time, or plan again")
    threads = threads or estimate["threads"]
    slower = max(1, estimate["threads"] / threads)
    memory = memory or math.ceil(estimate["memoryBytes"] / 2**20 * 4 / 3) + 128
    minutes = minutes or math.ceil(2 * slower * estimate["secondsPerShard"] / 60) + 10
print(plan["id"], len(plan["shards"]), threads, memory, minutes)
EOT
) || die "$plan: not a plan that can be submitted"
name=swiftqtl-${id:0:16}

# Before asking what is missing: nothing ends unseen in between.
queued=$(squeue --noheader --name="$name" --user="$(id -un)" --format=%i | tr '\n' ' ')
[[ -z $queued ]] || die "jobs of this plan are queued or running: $queued; wait for them or scancel them"

# What a killed run left goes on from its journal. What is running although no job is queued, someone runs by hand.
status=$("$program" status --plan "$plan" --json) || die "swiftqtl status failed"
mapfile -t wanted < <(
  python3 -c 'import json, sys; s = json.loads(sys.argv[1]); print(*sorted(s["missing"] + s["interrupted"]), sep="\n")' "$status" |
    sed '/^$/d'
)

submit() {
  if [[ -n $dry_run ]]; then
    printf 'sbatch' >&2
    printf ' %q' "$@" >&2
    printf '\n' >&2
    cat >/dev/null
    echo dry-run
  else
    sbatch "$@" | cut -d ';' -f 1
  fi
}

# 0 1 2 5 7 8 -> 0-2,5,7-8: a long list does not fit sbatch's command line.
ranges() {
  local first='' last='' n text=''
  for n in "$@" ''; do
    if [[ -n $last && $n == $((last + 1)) ]]; then
      last=$n
      continue
    fi
    if [[ -n $first ]]; then text+=,$first$([[ $first == "$last" ]] || echo "-$last"); fi
    first=$n last=$n
  done
  printf '%s\n' "${text#,}"
}

logs=${plan%.json}.logs
mkdir -p "$logs"
common=(--parsable --job-name="$name" "${sbatch_options[@]}")
quoted() { printf '%q ' "$@"; }

# An array's indices end below MaxArraySize (1001 where nobody changed it), so a larger plan takes several arrays, each with an offset.
limit=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p')
((${limit:-0} > 1)) || limit=1001
jobs=()
for ((offset = 0; offset < shards; offset += limit)); do
  indices=()
  for shard in ${wanted[@]+"${wanted[@]}"}; do
    if ((shard >= offset && shard < offset + limit)); then indices+=($((shard - offset))); fi
  done
  ((${#indices[@]})) || continue
  jobs+=("$(submit "${common[@]}" --array="$(ranges "${indices[@]}")" --cpus-per-task="$threads" --mem="$memory" \
    --time="$minutes" --requeue --output="$logs/%A_%a.log" <<EOT
#!/bin/bash
$(quoted "$program" run --plan "$plan" --threads "$threads" --memory "${memory}M" --quiet) \
  --shard \$((SLURM_ARRAY_TASK_ID + $offset))
status=\$?
# 65: the input is not what was planned, for no other shard either.
((status != 65)) || scancel --state=PENDING "\$SLURM_ARRAY_JOB_ID"
exit \$status
EOT
  )")
done

# afterany, not afterok: where shards failed, merge starts all the same and names them.
dependency=()
if ((${#jobs[@]})); then dependency=(--dependency="afterany:$(IFS=: && echo "${jobs[*]}")"); fi
merge=("$program" merge --plan "$plan")
[[ -z $out ]] || merge+=(--out "$out")
merge_job=$(submit "${common[@]}" ${dependency[@]+"${dependency[@]}"} --cpus-per-task="$threads" --mem="$memory" \
  --time=$((minutes + 60)) --output="$logs/merge_%j.log" <<EOT
#!/bin/bash
exec $(quoted "${merge[@]}")
EOT
)
printf '%d of %d shards submitted: %s; merge: %s; logs: %s\n' \
  "${#wanted[@]}" "$shards" "${jobs[*]:-none}" "$merge_job" "$logs"
