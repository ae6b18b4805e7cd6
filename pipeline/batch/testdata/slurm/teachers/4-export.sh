#!/bin/bash
# export of sample: writes one student as an ONNX file.
# "rkd batch render" wrote this file, and writes it anew.
#SBATCH --job-name=sample-export
#SBATCH --chdir="/data/with space"
#SBATCH --output="/data/with space/jobs/log/export-%A_%a.log"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --kill-on-invalid-dep=yes
set -u

# An array's indices are limited: the first argument is added to them.
index=$((${1:-0} + SLURM_ARRAY_TASK_ID))
job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# shellcheck disable=SC2016 # values are as the configuration has them
{
	export RKD_BATCH=MARK
}

# A minute before the time limit Slurm sends SIGTERM to this shell: rkd keeps what it has done, and the job is queued
# again.
child='' stopped=''
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM

attempt=0
while [ -z "$stopped" ]; do
	/opt/rkd/bin/rkd export sample.yaml --task-index "$index" --wait &
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
		echo "export: exit code $code, which another try would not change" >&2
		exit "$code"
		;;
	esac
	[ -z "$stopped" ] || break
	attempt=$((attempt + 1))
	if [ "$attempt" -gt 2 ]; then
		echo "export: exit code $code, tried $attempt times" >&2
		exit "$code"
	fi
	echo "export: exit code $code, trying again" >&2
	sleep 5
done

# A job that was cancelled is not running any more, and stays away.
if [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
	echo "export: the time is nearly over, queued again" >&2
	scontrol requeue "$job"
fi
exit "${code:-130}"
