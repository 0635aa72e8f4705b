# Completion of kctl in bash: source <(kctl completion bash)
_kctl_complete() {
    local current="${COMP_WORDS[COMP_CWORD]}" line directive=4
    local -a before=() answer=()
    # bash parts words at = and : too; put them together again as they were written.
    local text="${COMP_LINE:0:COMP_POINT}"
    read -r -a before <<<"$text"
    if [[ "$text" == *[[:space:]] ]]; then before+=(""); fi
    local whole="${before[${#before[@]}-1]}"
    mapfile -t answer < <("${before[0]}" __complete "${before[@]:1}" 2>/dev/null)
    COMPREPLY=()
    for line in "${answer[@]}"; do
        if [[ "$line" == :* ]]; then directive="${line#:}"; continue; fi
        line="${line%%$'\t'*}"
        # Only what follows the last = or : is replaced.
        COMPREPLY+=("${line:$((${#whole} - ${#current}))}")
    done
    if [[ ${#current} -eq 1 && "$current" == [=:] ]]; then
        COMPREPLY=("${COMPREPLY[@]#[=:]}")
    fi
    if ((directive == 0 && ${#COMPREPLY[@]} == 0)); then
        compopt -o default 2>/dev/null
    elif ((directive == 6)); then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _kctl_complete kctl
