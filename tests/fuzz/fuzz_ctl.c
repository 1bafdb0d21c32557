/* SPDX-License-Identifier: BSD-2-Clause */
/* A line to the control socket. What is said of a bad one is printable, whatever stood in it. */
#include <string.h>

#include "fuzz.h"
#include "wire/ctl_request.h"

static void
check_printable(const char *text)
{
	for (; *text != '\0'; text++)
		MUST(*text >= ' ' && *text <= '~');
}

static void
check_request(const struct ctl_request *r, const char *line)
{
	MUST(r->command >= 0 && r->command < CTL_COMMANDS);
	MUST(r->n_args >= 0 && r->n_args <= CTL_ARGS_MAX);
	for (int i = 0; i < r->n_args; i++) {
		MUST(r->arg[i][0] != '\0' && strlen(r->arg[i]) < CTL_ARG_MAX);
		check_printable(r->arg[i]);
		MUST(strchr(r->arg[i], ' ') == NULL && strstr(line, r->arg[i]) != NULL);
	}
	MUST(r->name == NULL || r->name == r->arg[0]);
	MUST(ctl_request_permitted(r, 0, 1000) && ctl_request_permitted(r, 1000, 1000));
	MUST(ctl_request_permitted(r, 1, 1000) == !ctl_request_usage(r->command)->changes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct ctl_request r;
	struct ctl_error err;
	char *line = malloc(len + 1);

	MUST(line != NULL);
	memcpy(line, in, len);
	line[len] = '\0';
	if (ctl_request_parse(line, &r, &err)) {
		check_request(&r, line);
	} else {
		MUST(strcmp(err.word, "unknown-command") == 0 ||
		     strcmp(err.word, "bad-request") == 0);
		MUST(err.message[0] != '\0' && strlen(err.message) < CTL_MESSAGE_MAX);
		check_printable(err.message);
	}
	free(line);
	return 0;
}
