# bash completion for rkd: the program itself lists its commands and flags.
# Load it with: source <(rkd completion bash)
_rkd() {
	local current=${COMP_WORDS[COMP_CWORD]}
	local line=("${COMP_WORDS[@]:0:COMP_CWORD}")
	if [[ $current == -* ]]; then line+=("$current"); fi
	# shellcheck disable=SC2207 # bash 3.2, the one of macOS, has no mapfile; names hold no spaces
	COMPREPLY=($(compgen -W "$("${line[@]}" --generate-bash-completion 2>/dev/null)" -- "$current"))
}
complete -o bashdefault -o default -F _rkd rkd
