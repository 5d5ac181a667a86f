# Completion of zkctl for bash.
#
# The line goes to zkctl as it stands, and zkctl's answer onto the line: neither is
# evaluated, because names of znodes may hold anything.

__zkctl() {
    local program="${1/#\~\//$HOME/}" line="${COMP_LINE:0:COMP_POINT}" rest entry names=()
    [[ $(type -t -- "$program") == file ]] || program=zkctl # an alias

    # zkctl has to know the variables that the line names.
    rest="$line"
    while [[ $rest =~ \$\{?([A-Za-z_][A-Za-z0-9_]*)(.*) ]]; do
        names+=("${BASH_REMATCH[1]}")
        rest="${BASH_REMATCH[2]}"
    done

    COMPREPLY=()
    while IFS= read -r entry; do
        COMPREPLY+=("$entry")
    done < <(
        ((${#names[@]})) && export "${names[@]}"
        exec "$program" __complete bash "$line" "$2" "${COMP_TYPE-}" "${COLUMNS-}" 2>/dev/null
    )
}

# bash before 4.4 has no nosort.
complete -o nospace -o nosort -F __zkctl zkctl 2>/dev/null || complete -o nospace -F __zkctl zkctl
