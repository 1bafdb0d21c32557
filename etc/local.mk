# SPDX-License-Identifier: BSD-2-Clause
# What a host needs beside the programs. The live svipd.conf is the administrator's, never installed.

EXTRA_DIST += %D%/svipctl.bash %D%/svipd.service.in %D%/svipd.init.in %D%/svipd.sysusers %D%/svipd.tmpfiles

examplesdir = $(docdir)/examples
dist_examples_DATA = %D%/svipd.conf
dist_examples_SCRIPTS = %D%/notify.example

dist_pkglibexec_SCRIPTS = %D%/stop-or-leave
systemdsystemunit_DATA = %D%/svipd.service
initdir = $(sysconfdir)/init.d
init_SCRIPTS = %D%/svipd
CLEANFILES += %D%/svipd.service %D%/svipd

%D%/svipd.service: $(srcdir)/%D%/svipd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SUBSTITUTE) $(srcdir)/%D%/svipd.service.in >$@.tmp && mv $@.tmp $@

%D%/svipd: $(srcdir)/%D%/svipd.init.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SUBSTITUTE) $(srcdir)/%D%/svipd.init.in >$@.tmp && \
	    chmod 755 $@.tmp && mv $@.tmp $@

# systemd and bash want their own names there.
bashcompletiondir = $(datadir)/bash-completion/completions
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
install-data-local:
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir) $(DESTDIR)$(bashcompletiondir)
	$(INSTALL_DATA) $(srcdir)/%D%/svipctl.bash $(DESTDIR)$(bashcompletiondir)/svipctl
	$(INSTALL_DATA) $(srcdir)/%D%/svipctl.bash $(DESTDIR)$(bashcompletiondir)/svipd
	$(INSTALL_DATA) $(srcdir)/%D%/svipd.sysusers $(DESTDIR)$(sysusersdir)/svipd.conf
	$(INSTALL_DATA) $(srcdir)/%D%/svipd.tmpfiles $(DESTDIR)$(tmpfilesdir)/svipd.conf
uninstall-local:
	rm -f $(DESTDIR)$(sysusersdir)/svipd.conf $(DESTDIR)$(tmpfilesdir)/svipd.conf
	rm -f $(DESTDIR)$(bashcompletiondir)/svipctl $(DESTDIR)$(bashcompletiondir)/svipd
