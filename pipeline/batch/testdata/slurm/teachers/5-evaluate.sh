#!/bin/bash
# evaluate of sample: measures teacher and students on the test data.
# "rkd batch render" wrote this file, and writes it anew.
#SBATCH --job-name=sample-evaluate
#SBATCH --chdir="/data/with space"
#SBATCH --output="/data/with space/jobs/log/evaluate-%j.log"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --kill-on-invalid-dep=yes
set -u
job=$SLURM_JOB_ID

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
	/opt/rkd/bin/rkd eval sample.yaml --wait &
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
		echo "evaluate: exit code $code, which another try would not change" >&2
		exit "$code"
		;;
	esac
	[ -z "$stopped" ] || break
	attempt=$((attempt + 1))
	if [ "$attempt" -gt 2 ]; then
		echo "evaluate: exit code $code, tried $attempt times" >&2
		exit "$code"
	fi
	echo "evaluate: exit code $code, trying again" >&2
	sleep 5
done

# A job that was cancelled is not running any more, and stays away.
if [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
	echo "evaluate: the time is nearly over, queued again" >&2
	scontrol requeue "$job"
fi
exit "${code:-130}"
