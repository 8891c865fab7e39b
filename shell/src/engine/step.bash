{
    __portcullis_jump=$? __portcullis_flags=$-
    set +eux +kH +o posix
    shopt -u expand_aliases extglob
    shopt -s interactive_comments extquote
    builtin printf 'd %d %d %s\0' "$__portcullis_n" "${__portcullis_status:-$__portcullis_jump}" "$PWD" >&@STATUS@
    while IFS= TMOUT= builtin read -r -d '' -u @LINES@ __portcullis_line || builtin exit "${__portcullis_status:-0}"; do
        [[ $__portcullis_line == "l $((__portcullis_n + 1)) "* ]] && builtin break
        [[ $__portcullis_line == "h "* ]] && builtin history -s -- "${__portcullis_line#h }"
    done
    __portcullis_n=$((__portcullis_n + 1)) __portcullis_line=${__portcullis_line#l * }
    builtin printf 'a %d\0' "$__portcullis_n" >&@STATUS@
    while IFS= TMOUT= builtin read -r -d '' -u @LINES@ __portcullis_go || builtin exit 0; do
        [[ $__portcullis_go == "g $__portcullis_n" ]] && builtin break
    done
    __portcullis_last=${__portcullis_status:-$__portcullis_jump} __portcullis_status=
    if [[ $__portcullis_flags == *x* ]]; then __portcullis_line="set -x"$'\n'$__portcullis_line; fi
    if [[ $__portcullis_flags == *u* ]]; then set -u; fi
    if [[ $__portcullis_flags == *e* ]]; then set -e; fi
} 2>/dev/null
if [[ $__portcullis_last == 0 ]]; then
    builtin eval "$__portcullis_line" @JOBS@
else
    __portcullis_set "$__portcullis_last" || builtin eval "$__portcullis_line" @JOBS@
fi
{
    __portcullis_status=$?
    set +o emacs +o vi
    [[ -n $__portcullis_line ]] || __portcullis_status=$__portcullis_last
    if [[ $__portcullis_flags == *i* && ( ${!-} != "$__portcullis_async" || $__portcullis_status -gt 128 ) ]]; then
        __portcullis_async=${!-}
        __portcullis_news || :
    fi
} 2>/dev/null
