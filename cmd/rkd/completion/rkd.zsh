#compdef rkd
# zsh completion for rkd: the program itself lists its commands and flags.
# Load it with: source <(rkd completion zsh), after compinit; or save it as _rkd in a folder of $fpath.
_rkd() {
	local -a line candidates
	line=("${(@)words[1,CURRENT-1]}")
	if [[ ${words[CURRENT]} == -* ]]; then line+=("${words[CURRENT]}"); fi
	candidates=("${(@f)$("${line[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n ${candidates[1]} ]]; then
		compadd -- "${candidates[@]}"
	else
		_files
	fi
}
if [[ ${funcstack[1]} == _rkd ]]; then
	_rkd "$@"
else
	compdef _rkd rkd
fi
