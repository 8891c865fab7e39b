__portcullis_news() {
    builtin local one two three number= last= state= seen= IFS=$' \t\n'
    while builtin read -r one two three; do
        if [[ $one == \[* ]]; then
            __portcullis_told
            number=${one#\[} number=${number%%\]*} last=$two state=$three
        elif [[ -n $one ]]; then
            last=$one
        fi
    done <<< "$(builtin jobs -l)"
    __portcullis_told
    __portcullis_jobs=$seen
}
__portcullis_told() {
    [[ -n $number ]] || builtin return 0
    seen+=" $number:$last "
    # one that has run in the foreground is in the list for a moment too
    [[ $state == Running* || $last == "$__portcullis_async" ]] || builtin return 0
    [[ $state == Stopped* || $__portcullis_jobs == *" $number:$last "* ]] || builtin printf '[%d] %d\n' "$number" "$last" >&@TERMINAL@
}
