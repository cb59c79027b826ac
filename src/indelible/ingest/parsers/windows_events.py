"""The catalogue of Windows events, as data: what an event id means. `windows_objects` continues it.

A row is `ID ACTION OPERATION ACTOR TARGETS CHANGES` (`windows_rows` reads it). The action stands
without its `windows.`; operation `-` is the one the verb has. `ACTOR` says who acted:

- `subject`: the account named by `Subject...`; `target`: the one named by `Target...`, who logs on;
- `client`: `AccountName` and `AccountDomain`; `caller`: the account that wrote the event (System);
- `system`: the system itself; `unsaid`: somebody whom the event does not name, so that the system
  stands for them and the event is flagged `guessed`;
- `=Field`: an account written in one field, as `DOMAIN\\name`, a bare name or a SID;
- `app`: the program of a connection, or the unknown peer that reached for it.

`TARGETS` are joined by `+`: words such as `host`, `user`, `group` and `object` are rules
of `windows_targets`; `kind=Field/Name` is a `windows_kind` whose id and name stand in fields.
`CHANGES` names a function of `windows_changes`. `success!`, `failure!` and `denied!` are the
outcome of every event of the id; `denies!` says that an audit of failure means a refusal.

Ids and fields are those of the provider's manifest and of Microsoft's security audit event pages.
"""

from __future__ import annotations

from typing import Final

SECURITY: Final = """
# logon and logoff
4624 session.logon                 login     target  host - success!
4625 session.logon                 login     target  host - failure!
4626 session.report_claims         other     target  host -
4627 session.report_groups         other     target  host -
4634 session.logoff                logout    target  host -
4647 session.logoff                logout    target  host -
4648 credentials.use               login     subject server+user -
4649 replay_attack.detect          other     subject host+user -
4672 session.elevate               grant     subject host -
4675 sids.filter                   other     target  host -
4778 session.reconnect             login     client  host -
4779 session.disconnect            logout    client  host -
4800 session.lock                  other     target  host -
4801 session.unlock                other     target  host -
4802 screen_saver.start            other     target  host -
4803 screen_saver.stop             other     target  host -
4825 remote_desktop.logon          login     client  host - denied!
4964 special_group.logon           login     target  host -
5378 credentials.delegate          grant     subject host=TargetServer - denied!
5632 wireless_network.authenticate login     subject wireless_network=SSID -
5633 wired_network.authenticate    login     subject network_interface=InterfaceName -
6272 network_access.grant          login     subject host -
6273 network_access.deny           login     subject host - denied!
6274 network_access.discard        login     subject host - failure!
6276 network_access.quarantine     login     subject host -
6277 network_access.grant          login     subject host -
6278 network_access.grant          login     subject host -
6279 user.lock                     revoke    system  user -
6280 user.unlock                   grant     system  user -
# credentials
4768 kerberos_tgt.request          login     target  service=ServiceName -
4769 kerberos_ticket.request       login     target  service=ServiceName -
4770 kerberos_ticket.renew         update    target  service=ServiceName -
4771 kerberos_tgt.request          login     target  service=ServiceName - failure!
4772 kerberos_tgt.request          login     target  service=ServiceName - failure!
4773 kerberos_ticket.request       login     target  service=ServiceName - failure!
4774 account.map                   login     =ClientUserName account=MappedName -
4775 account.map                   login     =ClientUserName - - failure!
4776 credentials.validate          login     target  host -
4777 credentials.validate          login     =ClientUserName host - failure!
4820 kerberos_tgt.request          login     target  service=ServiceName - denied!
4821 kerberos_ticket.request       login     target  service=ServiceName - denied!
4822 credentials.validate          login     client  host - denied!
4823 credentials.validate          login     client  host - denied!
4824 kerberos_tgt.request          login     target  service=ServiceName - denied!
# accounts
4720 user.create                   create    subject user created
4722 user.enable                   -         subject user -
4723 password.change               update    subject user -
4724 password.reset                update    subject user -
4725 user.disable                  -         subject user -
4726 user.delete                   delete    subject user -
4738 user.update                   update    subject user attributes
4740 user.lock                     revoke    subject user -
4767 user.unlock                   grant     subject user -
4741 computer.create               create    subject user created
4742 computer.update               update    subject user attributes
4743 computer.delete               delete    subject user -
4765 sid_history.add               grant     subject user -
4766 sid_history.add               grant     subject user - failure!
4780 administrators_acl.set        update    subject user -
4781 account.rename                update    subject renamed renamed
4782 password_hash.access          read      subject user -
4793 password_rules.check          read      subject user -
4794 recovery_password.set         update    subject host -
4797 blank_password.query          read      subject user -
4798 user_groups.enumerate         read      subject user -
4799 group_members.enumerate       read      subject group -
5376 credentials.back_up           export    subject host -
5377 credentials.restore           import    subject host -
5379 stored_credentials.read       read      subject credential=TargetName -
5380 vault.search                  read      subject host -
5381 vault_credentials.read        read      subject host -
5382 vault_credentials.read        read      subject credential=ResourceName/SchemaFriendlyName -
# groups: security global, local and universal; distribution local, global and universal
4727 group.create                  create    subject group -
4728 group_member.add              grant     subject group+member member_add
4729 group_member.remove           revoke    subject group+member member_remove
4730 group.delete                  delete    subject group -
4731 group.create                  create    subject group -
4732 group_member.add              grant     subject group+member member_add
4733 group_member.remove           revoke    subject group+member member_remove
4734 group.delete                  delete    subject group -
4735 group.update                  update    subject group -
4737 group.update                  update    subject group -
4754 group.create                  create    subject group -
4755 group.update                  update    subject group -
4756 group_member.add              grant     subject group+member member_add
4757 group_member.remove           revoke    subject group+member member_remove
4758 group.delete                  delete    subject group -
4764 group.update                  update    subject group -
4744 distribution_group.create     create    subject group -
4745 distribution_group.update     update    subject group -
4746 distribution_group_member.add grant     subject group+member member_add
4747 distribution_group_member.remove revoke subject group+member member_remove
4748 distribution_group.delete     delete    subject group -
4749 distribution_group.create     create    subject group -
4750 distribution_group.update     update    subject group -
4751 distribution_group_member.add grant     subject group+member member_add
4752 distribution_group_member.remove revoke subject group+member member_remove
4753 distribution_group.delete     delete    subject group -
4759 distribution_group.create     create    subject group -
4760 distribution_group.update     update    subject group -
4761 distribution_group_member.add grant     subject group+member member_add
4762 distribution_group_member.remove revoke subject group+member member_remove
4763 distribution_group.delete     delete    subject group -
4783 application_group.create      create    subject group -
4784 application_group.update      update    subject group -
4785 application_group_member.add  grant     subject group+member member_add
4786 application_group_member.remove revoke  subject group+member member_remove
4787 application_group_nonmember.add revoke  subject group+member member_add
4788 application_group_nonmember.remove grant subject group+member member_remove
4789 application_group.delete      delete    subject group -
4790 application_group.create      create    subject group -
4791 application_group.update      update    subject group -
4792 application_group.delete      delete    subject group -
# rights and the rules of audit, of the domain and of trusts
4703 token_privileges.disable      revoke    subject user -
4704 user_right.assign             grant     subject sid rights_add
4705 user_right.remove             revoke    subject sid rights_remove
4706 domain_trust.create           create    subject domain=DomainName -
4707 domain_trust.delete           delete    subject domain=DomainName -
4713 kerberos_policy.update        configure subject host kerberos
4714 recovery_policy.update        configure subject host -
4715 audit_policy.update           configure subject host pairs
4716 domain_trust.update           update    subject domain=DomainName -
4717 logon_right.grant             grant     subject sid rights_add
4718 logon_right.revoke            revoke    subject sid rights_remove
4719 audit_policy.update           configure subject subcategory audit
4739 domain_policy.update          configure subject domain=DomainName domain
4817 object_auditing.update        configure subject object pairs
4819 central_access_policy.update  configure subject host -
4826 boot_configuration.load       other     subject host -
4902 per_user_audit_table.create   configure system  host -
4904 event_source.register         configure subject event_source=AuditSourceName -
4905 event_source.unregister       configure subject event_source=AuditSourceName -
4906 crash_on_audit_fail.update    configure unsaid  host -
4907 object_auditing.update        configure subject object pairs
4908 special_groups.update         configure unsaid  host -
4911 resource_attributes.update    update    subject object pairs
4912 user_audit_policy.update      configure subject account=TargetUserSid+subcategory audit
4913 central_access_policy.update  configure subject object pairs
4909 tbs_settings.update           configure unsaid  host pairs
4910 tbs_settings.update           configure unsaid  host pairs
4864 namespace_collision.detect    other     system  domain=ForestRoot -
4865 forest_trust.create           create    subject domain=ForestRoot -
4866 forest_trust.delete           delete    subject domain=ForestRoot -
4867 forest_trust.update           update    subject domain=ForestRoot -
# the system
4608 system.start                  execute   system  host - success!
4609 system.shut_down              execute   system  host - success!
4610 authentication_package.load execute system authentication_package=AuthenticationPackageName -
4611 logon_process.register        configure subject logon_process=LogonProcessName -
4612 audit_events.discard          other     system  host -
4614 notification_package.load     execute   system  notification_package=NotificationPackageName -
4615 lpc_port.misuse               other     subject host -
4616 time.set                      configure subject host time
4618 monitored_pattern.detect      other     system  host -
4621 crash_on_audit_fail.recover   execute   unsaid  host -
4622 security_package.load         execute   system  security_package=SecurityPackageName -
4816 rpc.integrity_violation       other     system  host -
5038 code_integrity.violation      other     system  file=param1 -
5056 cryptography.self_test        other     subject host -
5057 cryptography.fail             other     subject host - failure!
5058 key_file.operate              other     subject key=KeyName -
5059 key.migrate                   export    subject key=KeyName -
5060 key.verify                    other     subject key=KeyName - failure!
5061 key.operate                   execute   subject key=KeyName -
6144 group_policy.apply            configure system  host -
6145 group_policy.apply            configure system  host - failure!
6281 code_integrity.violation      other     system  file=param1 -
6410 code_integrity.violation      other     system  file=param1 -
6416 device.recognize              other     subject device=DeviceId/DeviceDescription -
6419 device.disable                configure subject device=DeviceId/DeviceDescription -
6420 device.disable                configure subject device=DeviceId/DeviceDescription -
6421 device.enable                 configure subject device=DeviceId/DeviceDescription -
6422 device.enable                 configure subject device=DeviceId/DeviceDescription -
6423 device.install                configure subject device=DeviceId/DeviceDescription - denied!
6424 device.install                configure subject device=DeviceId/DeviceDescription -
"""

EVENTLOG: Final = """
104  event_log.clear               delete    subject log=Channel - success!
1100 event_log.stop                execute   system  host -
1101 audit_events.discard          other     system  host -
1102 audit_log.clear               delete    subject log -
1104 audit_log.fill                other     system  log -
1105 audit_log.back_up             export    system  log -
1108 audit_event.fail              other     system  log -
6005 event_log.start               execute   system  host - success!
6006 event_log.stop                execute   system  host - success!
6008 system.stop_unexpectedly      other     system  host -
6009 system.report_version         other     system  host -
6013 system.report_uptime          other     system  host -
"""
"""`Microsoft-Windows-Eventlog` (audit log) and `EventLog` (System). 1102 has its own columns."""
