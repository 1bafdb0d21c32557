/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line, signals, and the order of starting and stopping. */
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "daemon.h"
#include "host.h"
#include "io/daemonise.h"
#include "io/log.h"
#include "io/priv.h"
#include "io/sdnotify.h"

#define DEFAULT_FILE "/etc/svipd/svipd.conf"
#define DEFAULT_SOCKET "/run/svipd/svipd.sock"
#define DEFAULT_PIDFILE "/run/svipd/svipd.pid"

struct options {
	const char *pidfile;
	bool foreground, test;
	struct daemon_options daemon;
};

static void
usage(FILE *out)
{
	fputs("usage: svipd [-f FILE] [-n] [-t] [-p PIDFILE] [-s SOCKET] [-l LEVEL] [-V] [-h]\n"
	      "\n"
	      "Keeps a virtual IP address on the host whose Redis a majority of Sentinels names as "
	      "master.\n"
	      "\n"
	      "  -f FILE     configuration (" DEFAULT_FILE ")\n"
	      "  -n          stay in the foreground, log to stderr\n"
	      "  -t          check the configuration and exit: 0 valid, 1 not\n"
	      "  -p PIDFILE  (" DEFAULT_PIDFILE ")\n"
	      "  -s SOCKET   control socket for svipctl (" DEFAULT_SOCKET ")\n"
	      "  -l LEVEL    error, warning, notice, info or debug; overrides log-level\n"
	      "  -V          show the version and exit\n"
	      "  -h          show this and exit\n"
	      "\n"
	      "Signals: HUP reload, TERM and INT clean stop, USR1 status into the log,\n"
	      "USR2 exit and leave the addresses to a successor that starts at once.\n",
	    out);
}

/* Exits on -h, -V and on errors. */
static void
read_options(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .pidfile = DEFAULT_PIDFILE,
		.daemon = { .file = DEFAULT_FILE, .socket = DEFAULT_SOCKET } };
	while ((c = getopt(argc, argv, "f:ntp:s:l:Vh")) != -1) {
		switch (c) {
		case 'f':
			o->daemon.file = optarg;
			break;
		case 'n':
			o->foreground = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'p':
			o->pidfile = optarg;
			break;
		case 's':
			o->daemon.socket = optarg;
			break;
		case 'l':
			o->daemon.level_given = true;
			if (log_level_read(optarg, &o->daemon.level))
				break;
			fprintf(stderr, "svipd: -l %s: not error, warning, notice, info or debug\n",
			    optarg);
			exit(2);
		case 'V':
			puts("svipd " PACKAGE_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind != argc) {
		fprintf(
		    stderr, "svipd: %s: there are no arguments besides options\n", argv[optind]);
		usage(stderr);
		exit(2);
	}
}

/* In the background the working directory is /: a name that is relative now must not mean another file then. */
static void
make_absolute(const char **file)
{
	char *dir, *path;

	if ((*file)[0] == '/')
		return;
	dir = getcwd(NULL, 0);
	if (dir == NULL || asprintf(&path, "%s/%s", dir, *file) == -1) {
		fprintf(stderr, "svipd: %s: the working directory can't be told\n", *file);
		exit(1);
	}
	free(dir);
	*file = path;
}

/* ---- signals ---- */

static void
on_stop(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop, (void)revents;
	daemon_stop(w->signum == SIGTERM ? "SIGTERM" : "SIGINT", w->signum == SIGTERM);
}

static void
on_leave(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	daemon_leave();
}

static void
on_hup(struct ev_loop *loop, ev_signal *w, int revents)
{
	char *report;

	(void)loop, (void)w, (void)revents;
	if (!daemon_reload(&report)) {
		log_error("reload refused, nothing has changed");
		for (char *line = report != NULL ? strtok(report, "\n") : NULL; line != NULL;
		     line = strtok(NULL, "\n"))
			log_error("%s", line);
	}
	free(report);
}

static void
on_usr1(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	daemon_log_status();
}

static void
watch_signals(struct ev_loop *loop)
{
	static ev_signal term, interrupt, hup, usr1, usr2;

	signal(SIGPIPE, SIG_IGN);
	ev_signal_init(&term, on_stop, SIGTERM);
	ev_signal_start(loop, &term);
	ev_signal_init(&interrupt, on_stop, SIGINT);
	ev_signal_start(loop, &interrupt);
	ev_signal_init(&hup, on_hup, SIGHUP);
	ev_signal_start(loop, &hup);
	ev_signal_init(&usr1, on_usr1, SIGUSR1);
	ev_signal_start(loop, &usr1);
	ev_signal_init(&usr2, on_leave, SIGUSR2);
	ev_signal_start(loop, &usr2);
}

/* ---- life ---- */

static int
give_up(const char *why)
{
	log_error("%s", why);
	daemonise_failed(why);
	return 1;
}

static int
run(const struct options *o, struct settings *set)
{
	struct ev_loop *loop;
	char why[512];

	log_init(!o->foreground, o->daemon.level_given ? o->daemon.level : set->log_level);
	if (!o->foreground && daemonise_fork() != 0)
		return give_up("can't go into the background");
	if (priv_directory(o->pidfile, set->user, set->group_name, why, sizeof(why)) != 0 ||
	    daemonise_pidfile(o->pidfile, why, sizeof(why)) != 0)
		return give_up(why);
	sdnotify_init();
	loop = ev_default_loop(EVFLAG_AUTO);
	if (loop == NULL)
		return give_up("no event loop: does epoll work here?");
	watch_signals(loop);
	if (!daemon_init(loop, set, &o->daemon, why, sizeof(why)))
		return give_up(why);
	daemon_start();
	daemonise_ready();
	ev_run(loop, 0);
	daemon_fini();
	daemonise_fini();
	log_notice("stopped");
	return 0;
}

/* svipd -t: every fault as FILE:LINE: key: what is wrong. */
static int
test(const char *file)
{
	static struct conf_report report;
	struct conf_host host;
	struct settings *set;

	host_look(&host);
	set = conf_load(file, &host, &report);
	conf_report_print(&report, set != NULL ? stdout : stderr);
	if (set == NULL)
		return 1;
	conf_summary(set, stdout);
	settings_free(set);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct settings *set;
	char *report;

	read_options(argc, argv, &o);
	make_absolute(&o.daemon.file);
	make_absolute(&o.daemon.socket);
	make_absolute(&o.pidfile);
	if (o.test)
		return test(o.daemon.file);
	umask(027);
	log_init(false, o.daemon.level_given ? o.daemon.level : SET_LOG_INFO);
	set = daemon_read_settings(o.daemon.file, false, &report);
	if (set == NULL) {
		fputs(report != NULL ? report : "svipd: no memory\n", stderr);
		free(report);
		return 1;
	}
	return run(&o, set);
}
