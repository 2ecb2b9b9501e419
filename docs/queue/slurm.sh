#!/usr/bin/env bash
#SBATCH --job-name=qslm
#SBATCH --ntasks=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
# One job: Redis and the search on its first node, a worker on every node. Nothing outlives the job but the store
# and the runs, from which a second submission goes on.
#
#   sbatch docs/queue/slurm.sh spikegpt-mini-sst2 /shared/models
set -euo pipefail
model=${1:?a model} models=${2:?a folder of checkpoints that all nodes see}

umask 077
place=$(mktemp -d "${SLURM_SUBMIT_DIR:-$PWD}/qslm-queue.XXXXXX") # on a file system that all nodes see
trap 'rm -rf -- "$place"' EXIT
port=$((20000 + SLURM_JOB_ID % 20000))
head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$place/password"
export QSLM_QUEUE_PASSWORD_FILE=$place/password
queue=redis://$(hostname):$port

# Nodes talk over the cluster's own network here. Where others are on it too, use TLS (README of this folder).
cat >"$place/redis.conf" <<CONF
port $port
bind 0.0.0.0
dir ${TMPDIR:-/tmp}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
requirepass $(cat "$place/password")
CONF
redis-server "$place/redis.conf" >"redis-$SLURM_JOB_ID.log" & redis=$!

# A worker that dies is no reason to end the job: its seats move to the others.
srun --kill-on-bad-exit=0 --output="worker-$SLURM_JOB_ID-%t.log" \
  qslm worker --queue "$queue" --models "$models" --threads "$SLURM_CPUS_PER_TASK" & workers=$!

status=0
qslm search "$model" --queue "$queue" --store qslm.sqlite --runs runs || status=$?
kill "$workers" "$redis" || true
wait || true
exit "$status"
