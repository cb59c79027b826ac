"""How a sign-in to Microsoft Entra ID ended, by its AADSTS code or by the code's name. Data.

From Microsoft's reference of authentication and authorization error codes; texts in own words.
Three classes: `denied` (a rule, an assignment or a risk kept somebody out whose credentials may
have been right), `open` (an interrupt: the sign-in goes on with another step, so this record says
neither success nor failure) and `failed`, which is also every code that is not listed.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from indelible.event.model import Outcome, Reason

_TABLE: Final = """
16000 open InteractionRequired: another account or a step by the user is needed
16001 open UserAccountSelectionInvalid: the account has to be chosen again
16003 failed SsoUserAccountNotFoundInResourceTenant: the user was not added to the tenant
50001 failed InvalidResource: the resource is disabled or does not exist
50002 denied NotAllowedTenant: the tenant restricts access by proxy
50005 denied DevicePolicyError: conditional access does not support the device's platform
50011 failed InvalidReplyTo: the reply address is not one of the application's
50012 failed AuthenticationFailed: certificate or client assertion was not accepted
50013 failed InvalidAssertion: the assertion was not accepted
50014 failed GuestUserInPendingState: the account does not exist in the directory
50017 failed CertificateValidationFailed: the certificate was not accepted
50020 denied UserUnauthorized: the account is not of this tenant and may not use the application
50034 failed UserAccountNotFound: no such account in the directory
50053 failed IdsLocked: account locked after failed attempts, or the address is known as malicious
50055 failed InvalidPasswordExpiredPassword: the password has expired
50056 failed InvalidPassword: no password, or none in the directory
50057 failed UserDisabled: the account is disabled
50058 open UserInformationNotProvided: nobody was signed in yet for single sign-on
50059 failed MissingTenantRealmAndNoUserInformationProvided: the tenant could not be told
50064 failed CredentialAuthenticationError: user name or password was not accepted
50068 failed SignoutInitiatorNotParticipant: sign-out by an application outside of the session
50072 open UserStrongAuthEnrollmentRequiredInterrupt: the user has to enroll for a second factor
50074 open UserStrongAuthClientAuthNRequiredInterrupt: a second factor is required
50076 open UserStrongAuthClientAuthNRequired: a second factor is required
50078 open UserStrongAuthExpired: the second factor has to be shown again
50079 open UserStrongAuthEnrollmentRequired: the user has to enroll for a second factor
50088 failed TelecomLimit: too many calls for a second factor
50089 failed FlowTokenExpired: the sign-in took too long
50097 open DeviceAuthenticationRequired: the device has to authenticate
50105 denied EntitlementGrantsNotFound: the user is not assigned to the application
50107 failed InvalidRealmUri: no such federation
50125 open PasswordResetRegistrationRequiredInterrupt: password reset or registration comes first
50126 failed InvalidUserNameOrPassword: wrong user name or password
50127 open BrokerAppNotInstalled: a broker application has to be installed
50128 failed InvalidDomainName: no such tenant
50129 open : the device has to be registered
50131 denied ConditionalAccessFailed: conditional access refused the request
50132 failed SsoArtifactInvalidOrExpired: the session ended, the password was changed or has expired
50133 failed SsoArtifactRevoked: the session was revoked
50135 failed PasswordChangeCompromisedPassword: the password has to be changed because of risk
50140 open KmsiInterrupt: the user was asked whether to stay signed in
50143 open SessionMismatch: the session belongs to another tenant
50144 failed InvalidPasswordExpiredOnPremPassword: the password has expired
50155 failed DeviceAuthenticationFailed: the device did not authenticate
50158 open ExternalSecurityChallenge: another provider's challenge is not yet answered
50168 open ChromeBrowserSsoInterruptRequired: the browser has to fetch a token
50173 failed FreshTokenNeeded: the token was revoked
50180 failed WindowsIntegratedAuthMissing: integrated Windows authentication is needed
50194 failed NotMultitenant: the application is of one tenant
50196 failed LoopDetected: too many equal requests
50197 failed ConflictingIdentities: the user could not be found
50199 open CmsiInterrupt: the user was asked to confirm the application
51004 failed UserAccountNotInDirectory: no such account in the directory
51005 open TemporaryRedirect: redirected to another place
51006 open ForceReauthDueToInsufficientAuth: the user has to sign in again
52004 open DelegationDoesNotExistForLinkedIn: no consent yet
53000 denied DeviceNotCompliant: conditional access wants a compliant device
53001 denied DeviceNotDomainJoined: conditional access wants a domain joined device
53002 denied ApplicationUsedIsNotAnApprovedApp: conditional access wants an approved application
53003 denied BlockedByConditionalAccess: blocked by conditional access
53004 denied ProofUpBlockedDueToRisk: enrolment for a second factor is blocked because of risk
53009 denied ApplicationRequiresProtection: conditional access wants a protected application
53010 denied ProofUpBlockedDueToSecurityInfoAcr: a second factor cannot be set up from here
53011 denied UserBlockedDueToRisk: blocked because of risk in the home tenant
54000 denied MinorUserBlockedLegalAgeGroupRule: the user's age group is blocked
54005 failed CodeAlreadyRedeemed: the authorization code was used before
65001 open DelegationDoesNotExist: nobody has consented to the application
65002 failed ConsentByPreauthorization: consent between Microsoft's applications is missing
65004 failed UserDeclinedConsent: the user declined consent
65005 failed MisconfiguredApplication: the application asks for access that it does not list
67003 failed ActorNotValidServiceIdentity: the actor is no service identity
70000 failed InvalidGrant: the refresh token is not valid
70001 failed UnauthorizedClient: the application is disabled
70002 failed InvalidClient: the client's credentials are wrong
70003 failed UnsupportedGrantType: the grant type is not supported
70008 failed ExpiredOrRevokedGrant: the refresh token has expired or was revoked
70011 failed InvalidScope: the scope is not valid
70016 open AuthorizationPending: the device code waits for the user
70018 failed BadVerificationCode: wrong device code
70019 failed CodeExpired: the device code has expired
70043 failed BadTokenDueToSignInFrequency: the user has to sign in again, by conditional access
70044 open SessionExpiredByConditionalAccess: the session ended by conditional access
75011 failed NoMatchedAuthnContextInOutputClaims: authenticated by another method than asked for
80001 failed OnPremiseStoreIsNotAvailable: the agent cannot reach Active Directory
80002 failed OnPremisePasswordValidatorRequestTimedout: password validation timed out
80007 failed OnPremisePasswordValidatorErrorOccurredOnPrem: the agent could not check the password
80012 denied OnPremisePasswordValidationAccountLogonInvalidHours: outside of the allowed hours
80014 failed OnPremisePasswordValidationAuthenticationAgentTimeout: password validation timed out
81010 failed DesktopSsoAuthTokenInvalid: the Kerberos ticket was not accepted
90072 failed PassThroughUserMfaError: the external account does not exist in the tenant
90094 open AdminConsentRequired: an administrator has to consent
90095 open AdminConsentRequiredRequestAccess: the user may ask an administrator to consent
135010 failed KeyNotFound: the key was not found
500011 failed InvalidResourceServicePrincipalNotFound: no such resource in the tenant
500021 denied TenantRestricted: the tenant is not in the list of allowed ones
500022 denied TenantRestricted: the tenant is not in the list of allowed ones
500121 failed StrongAuthenticationFailed: the second factor was not given, or refused
500133 failed AssertionExpired: the assertion is not within its time
500208 failed WrongAccountType: no such kind of account may sign in here
500212 denied NotAllowedByOutboundPolicyTenant: the home tenant refuses access to the other one
500213 denied NotAllowedByInboundPolicyTenant: the tenant refuses users of the other one
501481 failed CodeVerifierMismatch: the code verifier does not match
530003 denied DeviceRequired: conditional access wants a managed device
530032 denied BlockedByConditionalAccessOnSecurityPolicy: blocked by the tenant's security rules
530034 denied DelegatedAdminBlockedDueToSuspiciousActivity: blocked because of risk at home
530035 denied BlockedBySecurityDefaults: blocked by security defaults
700016 failed ApplicationNotFound: no such application in the tenant
700027 failed ClientAssertionInvalid: the signature of the client's assertion is wrong
700082 failed ExpiredOrRevokedGrantInactiveToken: the refresh token has expired unused
700084 failed RefreshTokenLifetime: the refresh token's lifetime is over
7000112 failed UnauthorizedClientApplicationDisabled: the application is disabled
7000215 failed InvalidClientSecret: wrong client secret
7000218 failed ClientSecretMissing: neither client secret nor assertion was given
7000222 failed InvalidClientSecretExpired: the client secret has expired
"""

_OUTCOMES: Final = {
    "failed": Outcome.FAILURE, "denied": Outcome.DENIED, "open": Outcome.UNKNOWN,
}


class Ending(NamedTuple):
    """What a code says: the outcome, its name, and why in words."""

    code: str
    outcome: Outcome
    name: str
    text: str


def _rows() -> dict[str, Ending]:
    found: dict[str, Ending] = {}
    for line in _TABLE.strip().splitlines():
        code, kind, rest = line.split(" ", 2)
        name, _, why = rest.partition(": ")
        found[code] = Ending(code, _OUTCOMES[kind], name, why)
    return found


ENDINGS: Final = MappingProxyType(_rows())
"""AADSTS code, in decimal, to what it says."""

NAMES: Final = MappingProxyType({row.name: row for row in ENDINGS.values() if row.name})
"""The same by the code's name, where it is known; the unified audit log has it as `LogonError`."""


def ending(
    code: str, name: str = "", said: str = ""
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """The outcome and the reason of a sign-in with `code`, called `name`, explained as `said`.

    `0` is a success; no code and no name say nothing. What the record itself says goes before the
    table's text, which goes before the name.
    """
    if code == "0" and not name:
        return Outcome.SUCCESS, UNSET
    row = ENDINGS.get(code) or NAMES.get(name)
    if row is None:
        if not code and not name:
            return UNSET, UNSET
        known = code if code != "0" else ""
        reason = Reason(code=known or name or UNSET, text=said or (known and name) or UNSET)
        return Outcome.FAILURE, reason
    shown = code if code not in ("", "0") else row.code
    return row.outcome, Reason(code=shown, text=said or row.text)
