/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svipctl: the operator's command. One table drives reading the command line, usage and help; the daemon does
 * the rest. Must not need anything of the daemon but its socket.
 */
#include <getopt.h>
#include <jansson.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "check.h"
#include "client.h"
#include "cluster.h"
#include "diff.h"
#include "field.h"
#include "generate.h"
#include "health.h"
#include "keygen.h"
#include "out.h"
#include "show.h"
#include "steps.h"
#include "wire/metrics.h"
#include "wire/nearest.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum {
	SCHEMA = 1,
	LIMIT_S = 5,
	RELOAD_LIMIT_S = 30,
	HINT_LIMIT_S = 1,
	LINE_MAX_BYTES = 4096,
	ABSENT_MAX = 7
};

static const char default_socket[] = "/run/svipd/svipd.sock";

struct command {
	const char *name;
	const char *arguments; /* as people read them */
	const char *help;
	int args_min, args_max;
	int limit_s;
	show_answer *show; /* NULL: not a question to the daemon */
	bool hint;         /* exit statuses for Sentinel's retry rules: see svipctl(8) */
};

static show_answer show_version, show_metrics;

static const struct command commands[] = {
	{ "status", "[NAME]", "what this node knows; with NAME all about one instance", 0, 1,
	    LIMIT_S, show_status, false },
	{ "peers", "", "the other nodes", 0, 0, LIMIT_S, show_peers, false },
	{ "sentinels", "", "the Sentinels, and whom they name", 0, 0, LIMIT_S, show_sentinels,
	    false },
	{ "why", "[NAME]", "the rule that decides, in a sentence", 0, 1, LIMIT_S, show_why, false },
	{ "history", "[NAME]", "the last changes of state", 0, 1, LIMIT_S, show_history, false },
	{ "metrics", "", "what status says as metrics, in Prometheus' text format", 0, 0, LIMIT_S,
	    show_metrics, false },
	{ "check", "", "test what this kernel and network grant; exits 0 ok, 1 degraded, 2 missing",
	    0, 0, LIMIT_S, show_message, false },
	{ "health", "",
	    "a verdict for monitoring; exits 0 ok, 1 warning, 2 critical, 3 unknown", 0, 0, LIMIT_S,
	    show_message, false },
	{ "reload", "", "read the configuration again: all of it or nothing", 0, 0, RELOAD_LIMIT_S,
	    show_message, false },
	{ "maintenance", "on|off", "keep this node from taking, or end that", 1, 1, LIMIT_S,
	    show_message, false },
	{ "log", "error|warning|notice|info|debug", "how much svipd logs, until the next reload", 1,
	    1, LIMIT_S, show_message, false },
	{ "handover", "NAME [SECONDS]", "give a master held here to a replica, losing no write", 1,
	    2, LIMIT_S, show_message, false },
	{ "client-reconfig", "ARG...", "a hint by Sentinel, with its seven arguments", 7, 7,
	    HINT_LIMIT_S, show_message, true },
	{ "config", "diff [NODE]", "in what the configurations of other nodes differ", 1, 2, 0,
	    NULL, false },
	{ "config", "generate", "print a configuration for what a Sentinel (--sentinel) knows", 1,
	    2, 0, NULL, false },
	{ "config", "apply FILE", "take a file over on all nodes, or on none (--absent-ok NODE)", 1,
	    2, 0, NULL, false },
	{ "config", "rollback", "the same with what the last change has replaced", 1, 2, 0, NULL,
	    false },
	{ "key", "rotate", "another key on all nodes, while everything runs", 1, 1, 0, NULL,
	    false },
	{ "keygen", "[FILE]", "make a key, in a new file or on stdout", 0, 1, 0, NULL, false },
	{ "version", "", "versions of svipctl and of the running svipd", 0, 0, LIMIT_S,
	    show_version, false },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void
show_version(const struct out *o, const json_t *a, const char *name)
{
	(void)name;
	fprintf(o->file, "svipctl %s\nsvipd %s\n", PACKAGE_VERSION, field_text(a, "version", "?"));
}

static void
show_metrics(const struct out *o, const json_t *a, const char *name)
{
	(void)name;
	metrics_write(o->file, a);
}

static void
print_help(void)
{
	printf("usage: svipctl [-s SOCKET] [-j] COMMAND [ARGUMENT...]\n\n");
	for (int i = 0; i < COMMANDS; i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s %s", commands[i].name, commands[i].arguments);
		printf("  %-22s  %s\n", line, commands[i].help);
	}
	printf("\n  -s, --socket SOCKET     svipd's socket (%s)\n"
	       "  -j, --json              print svipd's answer as it is\n"
	       "      --sentinel HOST:PORT    config generate: the Sentinel to ask\n"
	       "      --sentinel-user USER, --sentinel-password-file FILE\n"
	       "                          when it wants a password\n"
	       "      --cluster           status, why, history: of every node\n"
	       "      --absent-ok NODE    config apply, rollback: this node may be missing\n"
	       "  -V, --version           print svipctl's version\n"
	       "  -h, --help              print this\n",
	    default_socket);
}

static int
usage(void)
{
	fprintf(stderr, "usage: svipctl [-s SOCKET] [-j] COMMAND [ARGUMENT...]   (svipctl -h lists "
	                "the commands)\n");
	return EXIT_USAGE;
}

static int
command_unknown(const char *word)
{
	const char *near = NULL;

	for (int i = 0; i < COMMANDS; i++) {
		if (nearest_alike(word, commands[i].name) &&
		    (near == NULL ||
		        nearest_distance(word, commands[i].name) < nearest_distance(word, near)))
			near = commands[i].name;
	}
	if (near != NULL)
		fprintf(stderr, "svipctl: unknown command '%s' (did you mean '%s'?)\n", word, near);
	else
		fprintf(stderr, "svipctl: unknown command '%s' (svipctl -h lists the commands)\n",
		    word);
	return EXIT_USAGE;
}

/* The word is one of "a|b": a wrong one is wrong with or without a daemon. */
static bool
choice_fits(const char *choices, const char *word)
{
	size_t len = strlen(word);

	for (const char *c = choices; c != NULL; c = strchr(c, '|')) {
		c += *c == '|';
		if (strncmp(c, word, len) == 0 && (c[len] == '|' || c[len] == '\0'))
			return true;
	}
	return false;
}

/* The request: the words parted by blanks. False: it can't be one. */
static bool
make_line(const struct command *c, int n, char **arg, char line[LINE_MAX_BYTES])
{
	const char *asked = c->show == show_metrics ? "status" : c->name;
	size_t len = (size_t)snprintf(line, LINE_MAX_BYTES, "%s", asked);

	for (int i = 0; i < n; i++) {
		for (const char *p = arg[i]; *p != '\0'; p++) {
			if (*p <= ' ' || *p > '~') {
				fprintf(stderr,
				    "svipctl: argument %d is not printable ASCII without blanks\n",
				    i + 1);
				return false;
			}
		}
		if (arg[i][0] == '\0' || len + strlen(arg[i]) + 2 >= LINE_MAX_BYTES) {
			fprintf(stderr, "svipctl: argument %d is empty or too long\n", i + 1);
			return false;
		}
		len += (size_t)snprintf(line + len, LINE_MAX_BYTES - len, " %s", arg[i]);
	}
	return true;
}

/* The daemon said no. */
static void
print_refusal(const json_t *answer)
{
	const json_t *line;
	size_t i;

	fprintf(stderr, "svipctl: %s\n",
	    field_text(answer, "message", field_text(answer, "error", "refused")));
	json_array_foreach(json_object_get(answer, "errors"), i, line)
	    fprintf(stderr, "%s\n", json_string_value(line) ?: "?");
}

/* The exit status for a no. */
static int
refused(const struct command *c, const json_t *answer, bool json)
{
	const char *error = field_text(answer, "error", "");

	/* Sentinel tells of all its masters, and not each has addresses here. */
	if (c->hint && strcmp(error, "unknown-name") == 0)
		return EXIT_DONE;
	if (!json)
		print_refusal(answer);
	return strcmp(error, "bad-request") == 0 ? EXIT_USAGE : EXIT_FAILED;
}

/* Looks at an answer. Returns the exit status: EXIT_DONE for a yes that can be shown. */
static int
judge(const struct command *c, const json_t *answer, bool json)
{
	if (!json_is_object(answer)) {
		fprintf(stderr, "svipctl: the answer is no JSON object: is that svipd's socket?\n");
		return EXIT_FAILED;
	}
	if (field_int(answer, "schema", 0) != SCHEMA && !json) {
		fprintf(stderr,
		    "svipctl: svipd answers in another schema than %d: use the svipctl of its "
		    "version\n",
		    SCHEMA);
		return EXIT_FAILED;
	}
	return field_true(answer, "ok") ? EXIT_DONE : refused(c, answer, json);
}

static int
ask(const struct command *c, const char *socket, bool json, int n, char **arg)
{
	char line[LINE_MAX_BYTES], why[CLIENT_WHY_MAX], *text;
	json_t *answer;
	int status;

	if (strchr(c->arguments, '|') != NULL && !choice_fits(c->arguments, arg[0])) {
		fprintf(stderr, "svipctl: %s %s: not %s\n", c->name, arg[0], c->arguments);
		return EXIT_USAGE;
	}
	if (!make_line(c, n, arg, line))
		return EXIT_USAGE;
	text = client_ask(socket, line, c->limit_s, why);
	if (text == NULL) {
		if (c->show == show_version && !json)
			printf("svipctl %s\n", PACKAGE_VERSION);
		fprintf(stderr, "svipctl: %s\n", why);
		return EXIT_FAILED;
	}
	answer = json_loads(text, 0, NULL);
	status = judge(c, answer, json);
	if (json && answer != NULL) {
		puts(text);
	} else if (status == EXIT_DONE && !c->hint) {
		struct out o;

		out_init(&o);
		c->show(&o, answer, n > 0 ? arg[0] : NULL);
	}
	json_decref(answer);
	free(text);
	if (fflush(stdout) != 0 && !c->hint) {
		perror("svipctl: stdout");
		status = EXIT_FAILED;
	}
	return status;
}

/* Of `config generate`. */
static struct {
	const char *host, *user, *password_file;
} sentinel;

static bool of_cluster; /* --cluster */

/* Of `config apply`. */
static struct {
	int n;
	char *node[ABSENT_MAX];
} absent;

static int
config(const char *socket, bool json, int n, char **arg)
{
	static char all[] = "all";
	char line[LINE_MAX_BYTES], *node = n > 1 ? arg[1] : all;
	const struct command asked = { .name = "config-diff" };

	if (strcmp(arg[0], "diff") == 0)
		return make_line(&asked, 1, &node, line) ? diff(socket, json, node) : EXIT_USAGE;
	if (strcmp(arg[0], "apply") == 0 && n == 2)
		return apply(socket, json, arg[1], absent.n, absent.node);
	if (strcmp(arg[0], "rollback") == 0 && n == 1)
		return rollback(socket, json, absent.n, absent.node);
	if (strcmp(arg[0], "generate") != 0) {
		fprintf(stderr, "usage: svipctl config diff [NODE]|apply FILE|rollback|generate\n");
		return EXIT_USAGE;
	}
	if (n > 1 || sentinel.host == NULL) {
		fprintf(stderr, "usage: svipctl config generate --sentinel HOST:PORT\n");
		return EXIT_USAGE;
	}
	return generate(sentinel.host, sentinel.user, sentinel.password_file);
}

static int
run(const struct command *c, const char *socket, bool json, int n, char **arg)
{
	int status;

	if (n < c->args_min || n > c->args_max) {
		fprintf(stderr, "usage: svipctl %s%s%s\n", c->name,
		    c->arguments[0] != '\0' ? " " : "", c->arguments);
		return EXIT_USAGE;
	}
	if (of_cluster) {
		char line[LINE_MAX_BYTES];

		if (c->show != show_status && c->show != show_why && c->show != show_history) {
			fprintf(stderr, "svipctl: --cluster is for status, why and history\n");
			return EXIT_USAGE;
		}
		return make_line(c, n, arg, line)
		           ? cluster(socket, json, line, c->show, n > 0 ? arg[0] : NULL)
		           : EXIT_USAGE;
	}
	if (strcmp(c->name, "check") == 0)
		return check(socket, json);
	if (strcmp(c->name, "health") == 0)
		return health(socket, json);
	if (strcmp(c->name, "config") == 0)
		return config(socket, json, n, arg);
	if (strcmp(c->name, "handover") == 0) {
		char line[LINE_MAX_BYTES], progress[LINE_MAX_BYTES];

		if (!make_line(c, n, arg, line))
			return EXIT_USAGE;
		snprintf(progress, sizeof(progress), "handover %.64s progress", arg[0]);
		return steps(socket, json, line, progress);
	}
	if (strcmp(c->name, "key") == 0 && strcmp(arg[0], "rotate") != 0) {
		fprintf(stderr, "usage: svipctl key rotate\n");
		return EXIT_USAGE;
	}
	if (strcmp(c->name, "key") == 0)
		return steps(socket, json, "key-rotate", "key-rotate progress");
	if (c->show == NULL)
		return keygen(n > 0 ? arg[0] : NULL);
	status = ask(c, socket, json, n, arg);
	/* Sentinel repeats what ended with 1, for hours: an old hint is worth nothing. */
	return c->hint && status != EXIT_DONE ? EXIT_USAGE : status;
}

int
main(int argc, char **argv)
{
	enum {
		OPT_SENTINEL = 256,
		OPT_SENTINEL_USER,
		OPT_SENTINEL_PASSWORD,
		OPT_ABSENT,
		OPT_CLUSTER
	};
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "sentinel", required_argument, NULL, OPT_SENTINEL },
		{ "sentinel-user", required_argument, NULL, OPT_SENTINEL_USER },
		{ "sentinel-password-file", required_argument, NULL, OPT_SENTINEL_PASSWORD },
		{ "absent-ok", required_argument, NULL, OPT_ABSENT },
		{ "cluster", no_argument, NULL, OPT_CLUSTER },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *socket = default_socket;
	bool json = false;
	int o;

	setlocale(LC_ALL, "");
	while ((o = getopt_long(argc, argv, "s:jVh", options, NULL)) != -1) {
		switch (o) {
		case 's':
			socket = optarg;
			break;
		case 'j':
			json = true;
			break;
		case OPT_SENTINEL:
			sentinel.host = optarg;
			break;
		case OPT_SENTINEL_USER:
			sentinel.user = optarg;
			break;
		case OPT_SENTINEL_PASSWORD:
			sentinel.password_file = optarg;
			break;
		case OPT_CLUSTER:
			of_cluster = true;
			break;
		case OPT_ABSENT:
			if (absent.n == ABSENT_MAX) {
				fprintf(
				    stderr, "svipctl: --absent-ok: at most %d nodes\n", ABSENT_MAX);
				return EXIT_USAGE;
			}
			absent.node[absent.n++] = optarg;
			break;
		case 'V':
			printf("svipctl %s\n", PACKAGE_VERSION);
			return EXIT_DONE;
		case 'h':
			print_help();
			return EXIT_DONE;
		default:
			return usage();
		}
	}
	if (optind == argc)
		return usage();
	for (int i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[optind], commands[i].name) == 0)
			return run(
			    &commands[i], socket, json, argc - optind - 1, argv + optind + 1);
	}
	return command_unknown(argv[optind]);
}
