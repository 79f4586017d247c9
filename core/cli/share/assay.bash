# SPDX-License-Identifier: Apache-2.0
# Completion of `assay` for bash.
_assay() {
  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-}
  local verbs="run list explain validate graph transform predict partial-fit reconstruct sample nearest residual schema doctor init bench"
  local kinds="losses penalties densities inits solvers readers transforms metrics writers runs"
  local common="--plugin-dir --json --quiet --help"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$word")
    return
  fi
  case "$verb:$word" in
    run:-*) mapfile -t COMPREPLY < <(compgen -W "$common -o --dry-run --why --grid --only --rerun
      --fail-fast" -- "$word") ;;
    list:-*) mapfile -t COMPREPLY < <(compgen -W "$common --loss --accepts" -- "$word") ;;
    explain:-*) mapfile -t COMPREPLY < <(compgen -W "$common --trial" -- "$word") ;;
    validate:-*) mapfile -t COMPREPLY < <(compgen -W "$common --data" -- "$word") ;;
    nearest:-*) mapfile -t COMPREPLY < <(compgen -W "$common --top --csv --reader --threads" -- "$word") ;;
    residual:-*) mapfile -t COMPREPLY < <(compgen -W "$common -o --threshold --mask --reader --threads" -- "$word") ;;
    *:-*) mapfile -t COMPREPLY < <(compgen -W "$common" -- "$word") ;;
    list:*) mapfile -t COMPREPLY < <(compgen -W "$kinds" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$word") && compopt -o filenames ;;
  esac
}
complete -F _assay assay
