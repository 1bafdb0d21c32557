/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a key. Must never leave half of one, nor replace one that is in use. */
#include "keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <svip/types.h>

enum { TEXT_LEN = 2 * SVIP_KEY_LEN + 1 }; /* digits and an LF */

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static int
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool done;

	if (fd == -1 && errno == EEXIST) {
		fprintf(
		    stderr, "svipctl: %s: is there already; a key in use is not replaced\n", path);
		return 1;
	}
	if (fd == -1) {
		fprintf(stderr, "svipctl: %s: %s\n", path, strerror(errno));
		return 1;
	}
	done = write_all(fd, text, TEXT_LEN) && fsync(fd) == 0;
	if (close(fd) == -1 || !done) {
		fprintf(stderr, "svipctl: %s: %s\n", path, strerror(errno));
		unlink(path);
		return 1;
	}
	return 0;
}

int
keygen(const char *path)
{
	uint8_t key[SVIP_KEY_LEN];
	char text[TEXT_LEN + 1];
	int status = 0;

	if (sodium_init() == -1) {
		fprintf(stderr, "svipctl: libsodium does not start\n");
		return 1;
	}
	randombytes_buf(key, sizeof(key));
	sodium_bin2hex(text, sizeof(text), key, sizeof(key));
	text[TEXT_LEN - 1] = '\n';
	if (path != NULL) {
		status = write_file(path, text);
	} else if (!write_all(STDOUT_FILENO, text, TEXT_LEN)) {
		fprintf(stderr, "svipctl: stdout: %s\n", strerror(errno));
		status = 1;
	}
	sodium_memzero(key, sizeof(key));
	sodium_memzero(text, sizeof(text));
	return status;
}
