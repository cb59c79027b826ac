"""The catalogue of Windows events, continued: objects, the directory, and other providers.

The form of a row is told in `windows_events`.
"""

from __future__ import annotations

from typing import Final

SECURITY: Final = """
# processes, services, tasks
4688 process.start                 execute   subject process=NewProcessName -
4689 process.exit                  other     subject process=ProcessName -
4696 primary_token.assign          grant     subject process=TargetProcessName+user -
4697 service.install               configure subject service=ServiceName -
4698 scheduled_task.create         create    subject scheduled_task=TaskName -
4699 scheduled_task.delete         delete    subject scheduled_task=TaskName -
4700 scheduled_task.enable         configure subject scheduled_task=TaskName -
4701 scheduled_task.disable        configure subject scheduled_task=TaskName -
4702 scheduled_task.update         update    subject scheduled_task=TaskName -
5888 com_catalog.update            update    subject com_object=ObjectIdentifyingProperties -
5889 com_catalog.delete            delete    subject com_object=ObjectIdentifyingProperties -
5890 com_catalog.add               create    subject com_object=ObjectIdentifyingProperties -
5712 rpc.attempt                   execute   subject host -
# objects; the operation of those with `access` is that of the most telling right
4656 object.open                   access    subject object -
4657 registry_value.update         update    subject registry_value registry
4658 handle.close                  other     subject handle=HandleId -
4659 object.open                   delete    subject object - denies!
4660 object.delete                 delete    subject handle=HandleId -
4661 object.open                   access    subject object -
4662 directory_object.access       access    subject object -
4663 object.access                 access    subject object -
4664 hard_link.create              create    subject file=FileName+file=LinkName -
4665 application_context.create    create    =ClientName application=AppName -
4666 application.operate           execute   =ClientName application=AppName -
4667 application_context.delete    delete    =ClientName application=AppName -
4668 application.initialize        execute   =ClientName application=AppName -
4670 object_permissions.update     grant     subject object pairs
4673 privileged_service.call       execute   subject service=Service - denies!
4674 privileged_object.operate     execute   subject object - denies!
4690 handle.duplicate              other     subject handle=SourceHandleId -
4691 object.access_indirectly      access    subject object -
4692 master_key.back_up            export    subject master_key=MasterKeyId -
4693 master_key.recover            import    subject master_key=MasterKeyId -
4694 data.protect                  other     subject master_key=MasterKeyId -
4695 data.unprotect                other     subject master_key=MasterKeyId -
4818 object.access                 access    subject object -
4985 transaction.update            other     subject transaction=TransactionId -
5039 registry_key.virtualize       other     subject registry_key=ObjectPath -
5051 file.virtualize               other     subject file=FileName -
5140 share.access                  access    subject share=ShareName -
5142 share.create                  create    subject share=ShareName -
5143 share.update                  update    subject share=ShareName pairs
5144 share.delete                  delete    subject share=ShareName -
5145 shared_file.access            access    subject shared_file+share=ShareName -
5168 spn.check                     login     subject host - failure!
# directory service
5136 directory_object.update       update    subject directory_object attribute
5137 directory_object.create       create    subject directory_object -
5138 directory_object.undelete     create    subject moved moved
5139 directory_object.move         update    subject moved moved
5141 directory_object.delete       delete    subject directory_object -
5169 directory_object.update       update    subject directory_object attribute
5170 directory_object.update       update    subject directory_object attribute
4928 replica_source.create         configure system  naming_context=NamingContext -
4929 replica_source.remove         configure system  naming_context=NamingContext -
4930 replica_source.update         configure system  naming_context=NamingContext -
4931 replica_destination.update    configure system  naming_context=NamingContext -
4932 replication.start             other     system  naming_context=NamingContext -
4933 replication.end               other     system  naming_context=NamingContext -
# firewall and filtering
4944 firewall_settings.load        other     system  host -
4945 firewall_rule.load            other     system  firewall_rule=RuleId/RuleName -
4946 firewall_rule.create          create    unsaid  firewall_rule=RuleId/RuleName -
4947 firewall_rule.update          update    unsaid  firewall_rule=RuleId/RuleName -
4948 firewall_rule.delete          delete    unsaid  firewall_rule=RuleId/RuleName -
4949 firewall.reset                configure unsaid  host -
4950 firewall_setting.update       configure unsaid  firewall_setting=SettingType setting
4951 firewall_rule.ignore          other     system  firewall_rule=RuleId/RuleName -
4952 firewall_rule.ignore          other     system  firewall_rule=RuleId/RuleName -
4953 firewall_rule.ignore          other     system  firewall_rule=RuleId/RuleName -
4954 firewall_settings.update      configure system  host -
4956 firewall_profile.update       configure system  host -
4957 firewall_rule.apply           other     system  firewall_rule=RuleId/RuleName - failure!
4958 firewall_rule.apply           other     system  firewall_rule=RuleId/RuleName - failure!
5024 firewall_service.start        execute   system  host -
5025 firewall_service.stop         execute   system  host -
5027 firewall_service.fail         other     system  host -
5028 firewall_service.fail         other     system  host -
5029 firewall_driver.fail          other     system  host -
5030 firewall_service.fail         other     system  host -
5031 application.block             other     app     host - denied!
5032 firewall_service.fail         other     system  host -
5033 firewall_driver.start         execute   system  host -
5034 firewall_driver.stop          execute   system  host -
5035 firewall_driver.fail          other     system  host -
5037 firewall_driver.fail          other     system  host -
5150 packet.block                  other     app     host - denied!
5151 packet.block                  other     app     host - denied!
5152 packet.block                  other     app     host - denied!
5153 packet.block                  other     app     host - denied!
5154 port.listen                   other     app     host -
5155 port.listen                   other     app     host - denied!
5156 connection.permit             other     app     host -
5157 connection.block              other     app     host - denied!
5158 port.bind                     other     app     host -
5159 port.bind                     other     app     host - denied!
5447 filter.update                 configure =UserName filter=FilterKey/FilterName -
# certificate services
4868 certificate_request.deny      approve   subject certificate_request=RequestId - denied!
4869 certificate_request.resubmit  create    subject certificate_request=RequestId -
4870 certificate.revoke            revoke    subject certificate=CertificateSerialNumber -
4871 crl.publish                   execute   subject host -
4872 crl.publish                   execute   system  host -
4873 certificate_request.update    update    subject certificate_request=RequestId -
4874 certificate_request.update    update    subject certificate_request=RequestId -
4875 certificate_services.shut_down execute  subject host -
4876 certificate_services.back_up  export    subject host -
4877 certificate_services.back_up  export    subject host -
4878 certificate_services.restore  import    subject host -
4879 certificate_services.restore  import    subject host -
4880 certificate_services.start    execute   subject host -
4881 certificate_services.stop     execute   subject host -
4882 certificate_services_permissions.update grant subject host -
4883 archived_key.retrieve         read      subject certificate_request=RequestId -
4884 certificate.import            import    subject certificate_request=RequestId -
4885 certificate_services_audit.update configure subject host -
4886 certificate_request.create    create    =Requester certificate_request=RequestId -
4887 certificate.issue             approve   =Requester certificate_request=RequestId -
4888 certificate_request.deny      approve   =Requester certificate_request=RequestId - denied!
4889 certificate_request.set_pending approve =Requester certificate_request=RequestId -
4890 certificate_manager.update    configure subject host -
4891 certificate_services.configure configure subject certificate_services=Node/Entry -
4892 certificate_services.configure configure subject certificate_services=PropertyName -
4896 certificate_rows.delete       delete    subject host -
4898 certificate_template.load     other     system  certificate_template=TemplateInternalName -
4899 certificate_template.update   configure unsaid  certificate_template=TemplateInternalName pairs
4900 certificate_template.update   configure unsaid  certificate_template=TemplateInternalName pairs
"""

SERVICES: Final = """
7000 service.start                 execute   system  service=param1 - failure!
7009 service.start                 execute   system  service=param2 - failure!
7034 service.crash                 other     system  service=param1 -
7035 service.control               execute   caller  service=param1 -
7036 service.change_state          other     system  service=param1 -
7040 service.update                configure caller  service=param4/param1 service_start
7045 service.install               configure caller  service=ServiceName - success!
"""

USER32: Final = """
1074 system.shut_down              execute   =param7 host - success!
1076 system.explain_shutdown       other     caller  host -
"""

KERNEL_GENERAL: Final = """
1    time.set                      configure caller  host time
12   system.start                  execute   system  host - success!
13   system.shut_down              execute   system  host - success!
"""

KERNEL_POWER: Final = """
41   system.stop_unexpectedly      other     system  host -
"""

SYSMON: Final = """
1    process.start                 execute   =User process=Image -
2    file_time.set                 update    =User file=TargetFilename -
3    connection.open               other     =User address=DestinationIp/DestinationHostname -
4    sysmon.change_state           configure system  host -
5    process.exit                  other     =User process=Image -
6    driver.load                   execute   system  driver=ImageLoaded -
7    image.load                    execute   =User image=ImageLoaded -
8    remote_thread.create          execute   =SourceUser process=TargetImage -
9    raw_disk.read                 read      =User device=Device -
10   process.access                read      =SourceUser process=TargetImage -
11   file.create                   create    =User file=TargetFilename -
12   registry_key.update           update    =User registry_key=TargetObject -
13   registry_value.update         update    =User registry_value=TargetObject -
14   registry_key.rename           update    =User registry_key=TargetObject -
15   file_stream.create            create    =User file=TargetFilename -
16   sysmon.configure              configure unsaid  host -
17   pipe.create                   create    =User pipe=PipeName -
18   pipe.connect                  other     =User pipe=PipeName -
19   wmi_filter.update             configure =User wmi_filter=Name -
20   wmi_consumer.update           configure =User wmi_consumer=Name -
21   wmi_binding.update            configure =User wmi_binding=Consumer -
22   dns_name.query                read      =User dns_name=QueryName -
23   file.delete                   delete    =User file=TargetFilename -
24   clipboard.update              update    =User process=Image -
25   process.tamper                update    =User process=Image -
26   file.delete                   delete    =User file=TargetFilename -
27   executable.block              create    =User file=TargetFilename - denied!
28   file.shred                    delete    =User file=TargetFilename - denied!
29   executable.create             create    =User file=TargetFilename -
"""

POWERSHELL: Final = """
400  powershell.start              execute   caller  host -
403  powershell.stop               other     caller  host -
4103 powershell_command.execute    execute   caller  host -
4104 powershell_script.execute     execute   caller  script=ScriptBlockId/Path -
4105 powershell_script.start       execute   caller  script=ScriptBlockId -
4106 powershell_script.stop        other     caller  script=ScriptBlockId -
"""

APPLOCKER: Final = """
8001 applocker_rules.apply         configure system  host -
8002 program.execute               execute   =TargetUser file=FilePath/FullFilePath - success!
8003 program.execute               execute   =TargetUser file=FilePath/FullFilePath - success!
8004 program.execute               execute   =TargetUser file=FilePath/FullFilePath - denied!
8005 script.execute                execute   =TargetUser file=FilePath/FullFilePath - success!
8006 script.execute                execute   =TargetUser file=FilePath/FullFilePath - success!
8007 script.execute                execute   =TargetUser file=FilePath/FullFilePath - denied!
8020 package.execute               execute   =TargetUser file=Fqbn - success!
8021 package.execute               execute   =TargetUser file=Fqbn - success!
8022 package.execute               execute   =TargetUser file=Fqbn - denied!
8023 package.install               configure =TargetUser file=Fqbn - success!
8024 package.install               configure =TargetUser file=Fqbn - success!
8025 package.install               configure =TargetUser file=Fqbn - denied!
"""

TASK_SCHEDULER: Final = """
106  scheduled_task.create         create    =UserContext scheduled_task=TaskName - success!
140  scheduled_task.update         update    =UserName scheduled_task=TaskName - success!
141  scheduled_task.delete         delete    =UserName scheduled_task=TaskName - success!
142  scheduled_task.disable        configure =UserName scheduled_task=TaskName - success!
"""

TERMINAL_SESSIONS: Final = """
21   session.logon                 login     =User   host - success!
22   shell.start                   execute   =User   host - success!
23   session.logoff                logout    =User   host - success!
24   session.disconnect            logout    =User   host - success!
25   session.reconnect             login     =User   host - success!
"""

TERMINAL_CONNECTIONS: Final = """
1149 remote_desktop.authenticate   login     =Param1 host - success!
"""

DEFENDER: Final = """
1116 malware.detect                other     =Detection_User file=Path/Threat_Name -
1117 malware.treat                 other     =Detection_User file=Path/Threat_Name -
5001 antivirus.disable             configure unsaid  host -
5004 antivirus.update              configure unsaid  host -
5007 antivirus.update              configure unsaid  host pairs
5010 antivirus.disable             configure unsaid  host -
5012 antivirus.disable             configure unsaid  host -
5013 antivirus.update              configure unsaid  host - denied!
"""

FIREWALL: Final = """
2003 firewall_setting.update       configure =ModifyingUser host -
2004 firewall_rule.create          create    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2005 firewall_rule.update          update    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2006 firewall_rule.delete          delete    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2033 firewall_rules.delete         delete    =ModifyingUser host - success!
2052 firewall_rule.delete          delete    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2071 firewall_rule.create          create    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2073 firewall_rule.update          update    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2097 firewall_rule.create          create    =ModifyingUser firewall_rule=RuleId/RuleName - success!
2099 firewall_rule.update          update    =ModifyingUser firewall_rule=RuleId/RuleName - success!
"""
