/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target once on each file that is given, and on each file of the folders that are given. Makes no inputs of its own:
 * so the corpora are plain regression tests, with any compiler.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static bool verbose;
static int count;

static void
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *in = malloc(INPUT_MAX), *exact;
	size_t len;

	if (f == NULL || in == NULL) {
		perror(path);
		exit(1);
	}
	if (verbose)
		fprintf(stderr, "%s\n", path);
	len = fread(in, 1, INPUT_MAX, f);
	fclose(f);
	exact = malloc(len > 0 ? len : 1); /* so that a sanitizer sees a byte read too many */
	MUST(exact != NULL);
	memcpy(exact, in, len);
	free(in);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	count++;
}

static void
replay(const char *path)
{
	struct dirent **found;
	struct stat st;
	int n;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &found, NULL, alphasort);
	if (n < 0) {
		perror(path);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s/%s", path, found[i]->d_name);
		if (found[i]->d_name[0] != '.')
			replay_file(name);
		free(found[i]);
	}
	free(found);
}

int
main(int argc, char **argv)
{
	int first = 1;

	if (argc > 1 && strcmp(argv[1], "-v") == 0) { /* names each file before it is run */
		verbose = true;
		first++;
	}
	for (int i = first; i < argc; i++)
		replay(argv[i]);
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
