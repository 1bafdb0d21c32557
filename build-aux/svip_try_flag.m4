dnl SPDX-License-Identifier: BSD-2-Clause
dnl SVIP_TRY_FLAG(FLAG, VARIABLE): appends FLAG to VARIABLE when compiler and linker take it.
AC_DEFUN([SVIP_TRY_FLAG], [
	AS_VAR_PUSHDEF([cache], [svip_cv_flag_$1])
	AC_CACHE_CHECK([for $1], [cache], [
		svip_save_cflags=$CFLAGS
		CFLAGS="$CFLAGS -Werror $1"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]],
		    [[char buf[64]; memset(buf, 0, sizeof(buf)); return buf[3];]])],
		    [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
		CFLAGS=$svip_save_cflags
	])
	AS_VAR_IF([cache], [yes], [$2="$$2 $1"])
	AS_VAR_POPDEF([cache])
])
