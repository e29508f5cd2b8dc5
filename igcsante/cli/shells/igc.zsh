#compdef igc
# Completion of igc for zsh: igc completion zsh
_igc_completion() {
    local kind value about line
    local -a described plain
    line="${(j: :)words[1,CURRENT]}"
    while IFS=$'\t' read -r kind value about; do
        case $kind in
        plain)
            if [[ -n $about ]]; then
                described+=("${value//:/\\:}:$about")
            else
                plain+=("$value")
            fi
            ;;
        dir) compset -P '*='; _path_files -/ ;;
        file) compset -P '*='; _path_files -f ;;
        certificates)
            compset -P '*='
            _path_files -f -g '*.(pem|crt|cer|der|p7b|p7c|p12|pfx|zip|tar|gz|tgz)' ||
                _path_files -f
            ;;
        esac
    done < <(_IGC_COMPLETE=zsh _IGC_LINE=$line "${words[1]}" 2>/dev/null)
    # -U: they fit already, whatever zsh holds of upper and lower case.
    (( ${#described} )) && _describe -V values described -U
    (( ${#plain} )) && compadd -U -V plain -a plain
    return 0
}

if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _igc_completion "$@" # from a folder of $fpath
else
    compdef _igc_completion igc
fi
