# Completion of igc for bash 4.4 and newer: igc completion bash
_igc_completion() {
    local line=${COMP_LINE:0:COMP_POINT} current kind value about head item
    current=${line##*[[:space:]]}
    COMPREPLY=()
    # What readline keeps: it breaks words at = and : too.
    head=''
    case ${COMP_WORDBREAKS} in *[=:]*) head=${current%"${current##*[=:]}"} ;; esac
    while IFS=$'\t' read -r kind value about; do
        case $kind in
        plain)
            case $value in *[[:space:]]*) compopt -o filenames ;; esac
            COMPREPLY+=("${value#"$head"}")
            ;;
        dir) _igc_files -d "${value#*=}" '*' ;;
        file) _igc_files -f "${value#*=}" '*' ;;
        certificates)
            _igc_files -f "${value#*=}" '*.@(pem|crt|cer|der|p7b|p7c|p12|pfx|zip|tar|gz|tgz)'
            ;;
        esac
    done < <(_IGC_COMPLETE=bash _IGC_LINE=$line "$1" 2>/dev/null)
}

# _igc_files -f|-d START PATTERN: files like the pattern, and folders; all files if there are none.
_igc_files() {
    local name found=()
    compopt -o filenames
    while IFS= read -r name; do
        if [[ -d ${name/#\~/$HOME} || $name == $3 ]]; then found+=("$name"); fi
    done < <(compgen "$1" -- "$2")
    if [[ ${#found[@]} -eq 0 ]]; then
        while IFS= read -r name; do found+=("$name"); done < <(compgen "$1" -- "$2")
    fi
    COMPREPLY+=("${found[@]}")
}

complete -F _igc_completion igc
