#!/bin/bash
# Submits the jobs of sample, each after those before it have succeeded: "rkd batch submit" does the same.
set -euo pipefail
cd "$(dirname "$0")"

# submit STAGE AFTER SCRIPT [OFFSET [OPTION]]: AFTER are the ids of jobs, each behind a colon.
submit() {
	local id after=()
	[ -z "$2" ] || after=("--dependency=afterok$2")
	id=$(sbatch --parsable "${after[@]}" "${@:5}" "$3" ${4:+"$4"})
	id=${id%%;*}
	echo "$1 $id"
	ids+=:$id
}

before='' ids=''
submit precompute "$before" 1-precompute.sh 0 --array=0-1,5-6
before=$ids ids=''
submit finalize "$before" 2-finalize.sh
before=$ids ids=''
submit distill "$before" 3-distill.sh 0 --array=0
before=$ids ids=''
submit export "$before" 4-export.sh 0 --array=0
before=$ids ids=''
submit evaluate "$before" 5-evaluate.sh
before=$ids ids=''
submit collect "$before" 6-collect.sh
