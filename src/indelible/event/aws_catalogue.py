"""The catalogue of AWS names: verbs, exceptions, nouns. Data, versioned like `event.catalogue`."""

from __future__ import annotations

from typing import Final

from indelible.event.model import Operation

VERSION: Final = 1

_VERBS: Final[dict[Operation, str]] = {
    Operation.CREATE: """
        create allocate register request upload generate provision copy clone restore launch
        issue submit purchase run build initiate initialize opt insert promote schedule
        replicate""",
    Operation.READ: """
        get list describe head search lookup query scan view check verify validate select
        download preview discover estimate simulate test count receive poll filter detect
        evaluate classify recognize translate predict compare retrieve read resolve summarize
        options calculate access""",
    Operation.UPDATE: """
        update put modify set edit tag untag rename replace change increase decrease rotate
        upgrade merge move write attach detach associate disassociate add assign unassign
        reset refresh renew migrate transfer extend apply complete close abort cancel reassign
        mark record release_version append batch transact defer archive unarchive label""",
    Operation.DELETE: """
        delete remove terminate deregister release purge destroy drop discard erase forget
        deprovision undeploy clear""",
    Operation.LOGIN: "login authenticate assume",
    Operation.LOGOUT: "logout",
    Operation.GRANT: "authorize grant share allow unlock",
    Operation.REVOKE: "revoke unshare deny retire lock block quarantine",
    Operation.EXECUTE: """
        invoke send start stop reboot execute publish decrypt encrypt sign reencrypt resume
        suspend pause restart failover trigger signal deploy redrive notify retry continue
        rebuild synthesize converse switchover bundle begin end exit monitor unmonitor""",
    Operation.EXPORT: "export unload backup",
    Operation.IMPORT: "import ingest load",
    Operation.APPROVE: "accept approve confirm reject acknowledge decline",
    Operation.CONFIGURE: """
        enable disable configure activate deactivate install uninstall subscribe unsubscribe
        leave join invite connect disconnect bind advertise withdraw""",
}

OPERATIONS: Final = {
    word: operation for operation, words in _VERBS.items() for word in words.split()
}
"""First word of an API's name to its operation class."""

PREFIXES: Final = frozenset(("batch", "bulk", "admin"))
"""First words that only say how a call was made; the word after them is the verb."""

PAST: Final = {
    "created": "create", "deleted": "delete", "updated": "update", "removed": "delete",
    "started": "start", "stopped": "stop", "completed": "complete", "shared": "share",
    "login": "login", "logout": "logout", "rotation": "rotate", "deletion": "delete",
    "creation": "create", "registered": "register", "deregistered": "deregister",
    "attached": "attach", "detached": "detach", "enabled": "enable", "disabled": "disable",
    "accepted": "accept", "rejected": "reject", "expired": "delete", "terminated": "terminate",
    "imported": "import", "exported": "export", "copied": "copy", "restored": "restore",
}
"""Last word of an event's name (`SharedSnapshotVolumeCreated`) to its verb."""

RIGHTS: Final = frozenset(("policy", "acl", "permission", "grant"))
"""Objects whose putting or attaching gives rights, whose detaching takes them."""

SINGULARS: Final = {
    "addresses": "address", "statuses": "status", "aliases": "alias", "indices": "index",
    "caches": "cache", "accesses": "access", "buses": "bus", "analyses": "analysis",
    "series": "series", "news": "news", "sms": "sms", "kms": "kms", "dns": "dns", "sns": "sns",
    "sqs": "sqs", "ebs": "ebs", "efs": "efs", "ecs": "ecs", "eks": "eks", "rds": "rds",
    "aws": "aws", "https": "https", "tls": "tls", "cors": "cors", "alias": "alias",
    "lens": "lens", "ops": "ops", "ses": "ses", "acls": "acl", "canvas": "canvas",
    "vpcs": "vpc", "releases": "release", "leases": "lease", "responses": "response",
    "databases": "database", "purchases": "purchase", "licenses": "license",
    "attributes": "attribute", "dhcp": "dhcp", "lbs": "lb", "dbs": "db", "gas": "gas",
}

_O = Operation
EXCEPTIONS: Final[dict[str, tuple[str, str, Operation]]] = {
    # sign-in and sessions
    "signin:ConsoleLogin": ("console", "login", _O.LOGIN),
    "signin:CheckMfa": ("mfa", "check", _O.OTHER),
    "signin:SwitchRole": ("role", "switch", _O.LOGIN),
    "signin:ExitRole": ("role", "exit", _O.LOGOUT),
    "signin:RenewRole": ("role", "renew", _O.LOGIN),
    "signin:GetSigninToken": ("signin_token", "get", _O.LOGIN),
    "signin:UserAuthentication": ("user", "authenticate", _O.LOGIN),
    "signin:CredentialChallenge": ("credential", "challenge", _O.OTHER),
    "signin:CredentialVerification": ("credential", "verify", _O.OTHER),
    "signin:PasswordRecoveryRequested": ("password", "request_recovery", _O.UPDATE),
    "signin:PasswordRecoveryCompleted": ("password", "recover", _O.UPDATE),
    "*:UserAuthentication": ("user", "authenticate", _O.LOGIN),
    "*:Authenticate": ("user", "authenticate", _O.LOGIN),
    "*:Federate": ("user", "federate", _O.LOGIN),
    "*:Logout": ("user", "logout", _O.LOGOUT),
    "sts:AssumeRole": ("role", "assume", _O.LOGIN),
    "sts:AssumeRoleWithSAML": ("role", "assume_with_saml", _O.LOGIN),
    "sts:AssumeRoleWithWebIdentity": ("role", "assume_with_web_identity", _O.LOGIN),
    "sts:AssumeRoot": ("root", "assume", _O.LOGIN),
    "sts:GetFederationToken": ("federation_token", "get", _O.LOGIN),
    "sts:GetSessionToken": ("session_token", "get", _O.LOGIN),
    "sts:GetCallerIdentity": ("caller_identity", "get", _O.READ),
    "sts:DecodeAuthorizationMessage": ("authorization_message", "decode", _O.READ),
    "rolesanywhere:CreateSession": ("session", "create", _O.LOGIN),
    # rights
    "iam:UpdateAssumeRolePolicy": ("assume_role_policy", "update", _O.GRANT),
    "iam:AddUserToGroup": ("user", "add_to_group", _O.GRANT),
    "iam:RemoveUserFromGroup": ("user", "remove_from_group", _O.REVOKE),
    "iam:AddRoleToInstanceProfile": ("role", "add_to_instance_profile", _O.GRANT),
    "iam:RemoveRoleFromInstanceProfile": ("role", "remove_from_instance_profile", _O.REVOKE),
    "iam:PutUserPermissionsBoundary": ("user_permissions_boundary", "put", _O.GRANT),
    "iam:PutRolePermissionsBoundary": ("role_permissions_boundary", "put", _O.GRANT),
    "iam:SetDefaultPolicyVersion": ("default_policy_version", "set", _O.GRANT),
    "iam:CreatePolicyVersion": ("policy_version", "create", _O.GRANT),
    "iam:GenerateCredentialReport": ("credential_report", "generate", _O.READ),
    "iam:GenerateServiceLastAccessedDetails": ("service_last_accessed", "generate", _O.READ),
    "iam:ChangePassword": ("password", "change", _O.UPDATE),
    "lambda:AddPermission": ("function_permission", "add", _O.GRANT),
    "lambda:RemovePermission": ("function_permission", "remove", _O.REVOKE),
    "lambda:AddLayerVersionPermission": ("layer_permission", "add", _O.GRANT),
    "lambda:RemoveLayerVersionPermission": ("layer_permission", "remove", _O.REVOKE),
    "s3:PutBucketPolicy": ("bucket_policy", "put", _O.GRANT),
    "s3:PutBucketAcl": ("bucket_acl", "put", _O.GRANT),
    "s3:PutObjectAcl": ("object_acl", "put", _O.GRANT),
    "secretsmanager:PutResourcePolicy": ("resource_policy", "put", _O.GRANT),
    "sso:CreateAccountAssignment": ("account_assignment", "create", _O.GRANT),
    "sso-admin:CreateAccountAssignment": ("account_assignment", "create", _O.GRANT),
    "sso:DeleteAccountAssignment": ("account_assignment", "delete", _O.REVOKE),
    "sso-admin:DeleteAccountAssignment": ("account_assignment", "delete", _O.REVOKE),
    "kms:RetireGrant": ("grant", "retire", _O.REVOKE),
    "kms:CreateGrant": ("grant", "create", _O.GRANT),
    "ec2:ModifyVpcEndpointServicePermissions":
        ("vpc_endpoint_service_permission", "modify", _O.GRANT),
    "ecr:SetRepositoryPolicy": ("repository_policy", "set", _O.GRANT),
    "ec2:AssociateIamInstanceProfile": ("iam_instance_profile", "associate", _O.GRANT),
    "ec2:ReplaceIamInstanceProfileAssociation":
        ("iam_instance_profile_association", "replace", _O.GRANT),
    "ec2:DisassociateIamInstanceProfile": ("iam_instance_profile", "disassociate", _O.REVOKE),
    "eks:CreateAccessEntry": ("access_entry", "create", _O.GRANT),
    "eks:AssociateAccessPolicy": ("access_policy", "associate", _O.GRANT),
    "eks:DisassociateAccessPolicy": ("access_policy", "disassociate", _O.REVOKE),
    "eks:DeleteAccessEntry": ("access_entry", "delete", _O.REVOKE),
    "identitystore:CreateGroupMembership": ("group_membership", "create", _O.GRANT),
    "identitystore:DeleteGroupMembership": ("group_membership", "delete", _O.REVOKE),
    "sso:AttachManagedPolicyToPermissionSet": ("permission_set_policy", "attach", _O.GRANT),
    "sso:PutInlinePolicyToPermissionSet": ("permission_set_policy", "put", _O.GRANT),
    "sso:DetachManagedPolicyFromPermissionSet": ("permission_set_policy", "detach", _O.REVOKE),
    # trails and monitoring
    "cloudtrail:StartLogging": ("logging", "start", _O.CONFIGURE),
    "cloudtrail:StopLogging": ("logging", "stop", _O.CONFIGURE),
    "cloudtrail:PutEventSelectors": ("event_selector", "put", _O.CONFIGURE),
    "cloudtrail:PutInsightSelectors": ("insight_selector", "put", _O.CONFIGURE),
    "cloudtrail:UpdateTrail": ("trail", "update", _O.CONFIGURE),
    "config:StopConfigurationRecorder": ("configuration_recorder", "stop", _O.CONFIGURE),
    "config:StartConfigurationRecorder": ("configuration_recorder", "start", _O.CONFIGURE),
    "cloudtrail:StartEventDataStoreIngestion":
        ("event_data_store_ingestion", "start", _O.CONFIGURE),
    "cloudtrail:StopEventDataStoreIngestion":
        ("event_data_store_ingestion", "stop", _O.CONFIGURE),
    "guardduty:StartMonitoringMembers": ("member_monitoring", "start", _O.CONFIGURE),
    "guardduty:StopMonitoringMembers": ("member_monitoring", "stop", _O.CONFIGURE),
    "logs:PutRetentionPolicy": ("retention_policy", "put", _O.CONFIGURE),
    "ecr:PutLifecyclePolicy": ("lifecycle_policy", "put", _O.CONFIGURE),
    "autoscaling:PutScalingPolicy": ("scaling_policy", "put", _O.CONFIGURE),
    "application-autoscaling:PutScalingPolicy": ("scaling_policy", "put", _O.CONFIGURE),
    "elasticfilesystem:PutBackupPolicy": ("backup_policy", "put", _O.CONFIGURE),
    # keys and objects
    "kms:Decrypt": ("key", "decrypt", _O.EXECUTE),
    "kms:Encrypt": ("key", "encrypt", _O.EXECUTE),
    "kms:ReEncrypt": ("key", "reencrypt", _O.EXECUTE),
    "kms:Sign": ("key", "sign", _O.EXECUTE),
    "kms:Verify": ("key", "verify", _O.EXECUTE),
    "kms:GenerateDataKey": ("data_key", "generate", _O.EXECUTE),
    "kms:GenerateDataKeyWithoutPlaintext": ("data_key", "generate", _O.EXECUTE),
    "kms:GenerateDataKeyPair": ("data_key_pair", "generate", _O.EXECUTE),
    "kms:GenerateDataKeyPairWithoutPlaintext": ("data_key_pair", "generate", _O.EXECUTE),
    "kms:GenerateRandom": ("random", "generate", _O.EXECUTE),
    "kms:GenerateMac": ("mac", "generate", _O.EXECUTE),
    "kms:ScheduleKeyDeletion": ("key", "schedule_deletion", _O.DELETE),
    "kms:CancelKeyDeletion": ("key", "cancel_deletion", _O.UPDATE),
    "kms:RotateKey": ("key", "rotate", _O.UPDATE),
    "s3:CompleteMultipartUpload": ("object", "put", _O.CREATE),
    "s3:PutObject": ("object", "put", _O.CREATE),
    "s3:PutAccountPublicAccessBlock": ("account_public_access_block", "put", _O.CONFIGURE),
    "s3:RestoreObject": ("object", "restore", _O.UPDATE),
    "secretsmanager:StartSecretVersionDelete": ("secret_version_deletion", "start", _O.DELETE),
    "secretsmanager:EndSecretVersionDelete": ("secret_version_deletion", "end", _O.DELETE),
    "secretsmanager:RestoreSecret": ("secret", "restore", _O.UPDATE),
    "lambda:Invoke": ("function", "invoke", _O.EXECUTE),
    "lambda:PublishVersion": ("function_version", "publish", _O.CREATE),
    "lambda:PublishLayerVersion": ("layer_version", "publish", _O.CREATE),
    "ssm:TerminateSession": ("session", "terminate", _O.EXECUTE),
    "ec2:SharedSnapshotVolumeCreated": ("shared_snapshot_volume", "create", _O.CREATE),
    "ec2:SharedSnapshotCopyInitiated": ("shared_snapshot", "copy", _O.EXPORT),
    "ec2:SendSerialConsoleSSHPublicKey":
        ("serial_console_ssh_public_key", "send", _O.EXECUTE),
    "ec2-instance-connect:SendSerialConsoleSSHPublicKey":
        ("serial_console_ssh_public_key", "send", _O.EXECUTE),
    "rds:StartExportTask": ("export_task", "start", _O.EXPORT),
    "ec2:CreateInstanceExportTask": ("instance_export_task", "create", _O.EXPORT),
    "ec2:CreateStoreImageTask": ("image", "export", _O.EXPORT),
    "dynamodb:ExportTableToPointInTime": ("table", "export", _O.EXPORT),
    "rds:StartDBInstance": ("db_instance", "start", _O.EXECUTE),
}
"""`service:eventName` (or `*:eventName`) to object, verb and operation; tried before any rule."""
