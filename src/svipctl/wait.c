/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks again and again. Ending this program ends nothing in the daemon. */
#include "wait.h"

#include <stdlib.h>
#include <unistd.h>

#include "field.h"

enum { LIMIT_S = 5, PAUSE_MS = 50 };

json_t *
wait_for_end(const char *socket, const struct wait *w, char **text, char why[CLIENT_WHY_MAX])
{
	json_t *answer;

	*text = client_ask_with(socket, w->line, w->file, LIMIT_S, why);
	for (int waited = 0;; waited += PAUSE_MS) {
		answer = *text != NULL ? json_loads(*text, 0, NULL) : NULL;
		if (answer != NULL && w->each != NULL)
			w->each(w->ctx, answer);
		if (answer == NULL || !field_true(answer, "running") || waited >= w->limit_ms)
			return answer;
		json_decref(answer);
		free(*text);
		usleep(PAUSE_MS * 1000);
		*text = client_ask(socket, w->progress, LIMIT_S, why);
	}
}
