# Completion of zkctl for fish.
#
# The line goes to zkctl as it stands, and fish quotes zkctl's answer: neither is evaluated,
# because names of znodes may hold anything.

function __zkctl_complete
    set -l line (commandline -cp | string collect)
    set -l program (commandline -opc)[1]
    command -q -- $program; or set program zkctl

    # zkctl has to know the variables that the line names.
    for name in (string match -ra -- '\$[A-Za-z_][A-Za-z0-9_]*' $line | string sub -s 2)
        set -lx $name $$name
    end
    set -l answer (command $program __complete fish $line 2>/dev/null)
    if test "$answer" = files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $answer
    end
end

complete -c zkctl -e
complete -c zkctl -k -f -a '(__zkctl_complete)'
