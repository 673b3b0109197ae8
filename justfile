# Short names for scripts/. `just` is a convenience: every recipe is one command that works without it.

set positional-arguments

# List what there is
[private]
default:
    @{{ just_executable() }} --list --unsorted

# Install everything into .venv; takes a second when all is there
setup:
    scripts/setup

# Run the whole pipeline on synthetic data (--once: stop at the end, and fail if a figure is wrong)
demo *args:
    scripts/demo "$@"

# Format the code, and repair what ruff can repair
fix:
    scripts/fix

# ruff, mypy, import rules, house rules, printed pages, documentation site
check:
    scripts/check

# Run the tests, or those that the arguments choose: just test tests/streams -k seen
test *args:
    scripts/test "$@"

# Show which lines the fast tests reach
coverage *args:
    scripts/coverage "$@"

# Build the documentation site in build/site (--serve: show it on 127.0.0.1:8000)
docs *args:
    scripts/docs "$@"

# All checks, then all tests, as continuous integration does
ci:
    .ci/run

# Write requirements/*.txt again from pyproject.toml (--upgrade: newest versions allowed)
lock *args:
    scripts/lock "$@"

# Long run of faults: just chaos --minutes 90
[group('long runs')]
chaos *args:
    scripts/chaos "$@"

# Long run of random histories against the model: just counted --minutes 60
[group('long runs')]
counted *args:
    scripts/counted "$@"

# Look for inputs that break a promise: just fuzz --minutes 60
[group('long runs')]
fuzz *args:
    scripts/fuzz "$@"

# Send the collector requests made from its OpenAPI: just api-fuzz --minutes 30
[group('long runs')]
api-fuzz *args:
    scripts/api-fuzz "$@"

# Measure, and compare with other frameworks: just bench --help
[group('long runs')]
bench *args:
    scripts/bench "$@"

# Measure how often ordinary titles and ids are refused as personal data
[group('long runs')]
people-rates:
    scripts/people_rates
