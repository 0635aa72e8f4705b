#compdef kctl
# Completion of kctl in zsh: source <(kctl completion zsh)
_kctl() {
    local line word directive=4
    local -a pairs plain
    while IFS= read -r line; do
        if [[ "$line" == :<-> ]]; then directive="${line#:}"; continue; fi
        word="${line%%$'\t'*}"
        if [[ "$line" == *$'\t'* ]]; then
            pairs+=("${word//:/\\:}:${line#*$'\t'}")
        else
            plain+=("$word")
        fi
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    local -a options
    ((directive == 6)) && options=(-S '')
    (( ${#pairs} )) && _describe -t commands kctl pairs "${options[@]}"
    (( ${#plain} )) && compadd "${options[@]}" -- "${plain[@]}"
    ((directive == 0 && ${#pairs} == 0 && ${#plain} == 0)) && _files
    return 0
}
if [[ "$funcstack[1]" == "_kctl" ]]; then _kctl; else compdef _kctl kctl; fi
