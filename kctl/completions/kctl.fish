# Completion of kctl in fish: kctl completion fish > ~/.config/fish/completions/kctl.fish
function __kctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] __complete $words[2..-1] $current 2>/dev/null)
    if test (count $answer) -eq 1 -a "$answer[1]" = ":0"
        __fish_complete_path $current
    else
        string match -v -r '^:\d+$' -- $answer
    end
end
complete -c kctl -f -a '(__kctl_complete)'
