# Completion of boreas for bash 3.2 and later. It needs no package. In ~/.bashrc: source <(boreas completion bash)

_boreas() {
  local word line glue= cur="${COMP_WORDS[COMP_CWORD]}"
  local -a before candidates
  before=() candidates=()
  # bash splits words at "=" and ":": join --flag=value again.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ ${#before[@]} -gt 0 && ( -n $glue || $word == [=:]* ) ]]; then
      before[${#before[@]}-1]+=$word
    else
      before+=("$word")
    fi
    [[ $word == *[=:] ]] && glue=1 || glue=
  done
  COMPREPLY=()
  [[ -n $glue || $cur == [=:]* ]] && return 0 # a value: bash completes names of files
  [[ $cur == -* ]] && before+=("$cur")
  while IFS= read -r line; do
    candidates+=("${line%%:*}") # what follows the colon describes it
  done < <("$1" "${before[@]}" --generate-shell-completion 2>/dev/null)
  COMPREPLY=($(compgen -W "${candidates[*]}" -- "$cur"))
}

complete -o bashdefault -o default -F _boreas boreas
