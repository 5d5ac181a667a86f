#compdef zkctl
# Completion of zkctl for zsh.
#
# The line goes to zkctl as it stands, and zsh quotes zkctl's answer: neither is evaluated,
# because names of znodes may hold anything.

_zkctl() {
    local line="${(j: :)words[1,CURRENT-1]} $QIPREFIX$IPREFIX$PREFIX"
    local program="${words[1]/#\~\//$HOME/}" rest="$line" entry kind text shown MATCH MBEGIN MEND
    local -a names match mbegin mend answer found
    local -A texts
    whence -p -- "$program" >/dev/null || program=zkctl # an alias

    # zkctl has to know the variables that the line names.
    while [[ "$rest" =~ '\$\{?([A-Za-z_][A-Za-z0-9_]*)(.*)' ]]; do
        names+=("$match[1]")
        rest="$match[2]"
    done
    answer=("${(@f)$(
        (( $#names )) && export "$names[@]"
        exec "$program" __complete zsh "$line" 2>/dev/null
    )}")
    if [[ "$answer[1]" == files ]]; then
        _files
        return
    fi

    local -a final finals open opens parent parents
    for entry in "$answer[@]"; do
        kind="${entry%%$'\t'*}" rest="${entry#*$'\t'}"
        text="${rest%%$'\t'*}" shown="${rest#*$'\t'}"
        case "$kind" in
        final) final+=("$text") finals+=("$shown") ;;
        open) open+=("$text") opens+=("$shown") ;;
        parent) parent+=("$text") parents+=("$shown") ;;
        esac
    done
    local -i added=1
    (( $#final )) && compadd -V zkctl -l -d finals -a -- final && added=0
    (( $#open )) && compadd -V zkctl -l -S '' -d opens -a -- open && added=0
    (( $#parent )) && compadd -V zkctl -l -q -S / -d parents -a -- parent && added=0
    return added
}

# Sourced, or run by the completion system as a function of its own.
if [[ "$funcstack[1]" == _zkctl ]]; then
    _zkctl "$@"
else
    compdef _zkctl zkctl
fi
