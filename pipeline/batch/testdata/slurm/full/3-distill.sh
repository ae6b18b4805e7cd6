#!/bin/bash
# distill of digits: trains one student against the cache, or goes on with it.
# "rkd batch render" wrote this file, and writes it anew.
#SBATCH --job-name=digits-distill
#SBATCH --chdir=/home/ann/digits
#SBATCH --output=/home/ann/digits/jobs/log/distill-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --gpus=1
#SBATCH --time=1-00:00:00
#SBATCH --partition=gpu
#SBATCH --account=vision
#SBATCH --qos=long
#SBATCH --constraint=avx512
set -u

# An array's indices are limited: the first argument is added to them.
index=$((${1:-0} + SLURM_ARRAY_TASK_ID))
job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# shellcheck disable=SC2016 # values are as the configuration has them
{
	export RKD_BATCH=MARK
	export NOTE='it'\''s $here'
	export OMP_NUM_THREADS=4
}

module load onnxruntime

# A minute before the time limit Slurm sends SIGTERM to this shell: rkd keeps what it has done, and the job is queued
# again.
child='' stopped=''
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM

attempt=0
while [ -z "$stopped" ]; do
	rkd distill 'plans/my digits.yaml' --task-index "$index" --wait --set train.epochs=2 --set 'seeds=[1, 2]' &
	child=$!
	[ -z "$stopped" ] || kill -TERM "$child"
	wait "$child"
	code=$?
	if [ -n "$stopped" ]; then # which ended the first wait, not rkd
		wait "$child"
		code=$?
	fi
	child=
	case $code in
	0) exit 0 ;;
	2 | 3 | 4 | 7 | 8 | 126 | 127)
		echo "distill: exit code $code, which another try would not change" >&2
		exit "$code"
		;;
	esac
	[ -z "$stopped" ] || break
	attempt=$((attempt + 1))
	if [ "$attempt" -gt 3 ]; then
		echo "distill: exit code $code, tried $attempt times" >&2
		exit "$code"
	fi
	echo "distill: exit code $code, trying again" >&2
	sleep 5
done

# A job that was cancelled is not running any more, and stays away.
if [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
	echo "distill: the time is nearly over, queued again" >&2
	scontrol requeue "$job"
fi
exit "${code:-130}"
