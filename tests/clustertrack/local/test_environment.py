from clustertrack.local.environment import child_environment

SHELL = {"PATH": "/bin", "HOME": "/home/ida", "TMPDIR": "/home/ida/tmp"}
FOREIGN = [
    *("PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONSTARTUP", "PYTHONBREAKPOINT"),
    *("HTTP_PROXY", "https_proxy", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NETRC"),
    *("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "KAFKA_OPTS", "KAFKA_HEAP_OPTS"),
    *("FAUST_LOOP", "AIOKAFKA_NO_EXTENSIONS", "LD_PRELOAD", "MALLOC_ARENA_MAX", "AWS_SECRET_ACCESS_KEY"),
    *("CLICKHOUSE_PASSWORD", "KAFKA_SASL_PASSWORD", "CLUSTERTRACK_PARTITIONS", "LC_CTYPE", "LANG"),
]


def test_what_nobody_allowed_stays_outside():
    """A child sees what finds its files; the rest of the shell reaches neither Python nor Java, secrets included."""
    seen = child_environment(SHELL | dict.fromkeys(FOREIGN, "1") | {"TZ": "Asia/Tokyo", "LC_ALL": "da_DK"}, {})

    assert seen == SHELL | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def test_passed_and_own_variables():
    """Documented variables are passed on by name; what the child is given overrides them, and None removes one."""
    environ = {"LOG_LEVEL": "DEBUG", "METRICS_PORT": "1", "KAFKA_SSL_CAFILE": "/ca.pem"}
    own = {"METRICS_PORT": "9104", "KAFKA_SSL_CAFILE": None}

    seen = child_environment(environ, own, passed=environ)

    assert seen == {"LOG_LEVEL": "DEBUG", "METRICS_PORT": "9104", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def test_nothing_is_made_up():
    """A variable that the shell does not have is not in the child's environment either."""
    assert child_environment({}, {}, passed=["LOG_LEVEL"]) == {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
