"""Names that members of unknown records bear, and what they mean. Data.

Names are written as `guess_names.joined` makes them: without case, marks and camel humps. A weight
of 100 says that hardly anything else is meant; values have their say afterwards.
"""

from __future__ import annotations

from typing import Final


def named(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def weighted(text: str) -> dict[str, int]:
    """`100: a b c; 90: d` as a table of weights."""
    found: dict[str, int] = {}
    for row in text.split(";"):
        weight, _, names = row.partition(":")
        found.update(dict.fromkeys(names.split(), int(weight)))
    return found


WRAPPERS: Final = named(
    """event events data payload record log attributes properties fields protopayload audit auditlog
    auditevent auditrecord entry info metadata meta message json source context extra jsonpayload
    eventdata msg result activity action eventinfo auditdata request http httprequest
    requestmetadata header auth authentication authenticationinfo authorization session
    credentials"""
)
"""Containers that say nothing of what is in them, or that it is the request's own."""

DETAILS: Final = named(
    """details detail description eventdetails additionaldetails additionaleventdata
    supportingdata extradata additionaldata"""
)
"""Containers of what varies from event to event: who acted seldom stands there alone."""

AUTHENTICATED: Final = named("auth authentication authenticationinfo authorization credentials")
"""Containers of what was proved of the one who asked."""

ASIDE: Final = named(
    """target targets object objects objectref resource resources entity entities asset assets item
    items old new before after previous prior current oldvalue newvalue oldvalues newvalues changes
    change diff delta parameters params requestparameters requestobject responseobject
    responseelements response requestbody responsebody body input inputs output outputs affected
    recipient recipients related labels tags rule rules policy policies alert alerts finding
    findings triggers trigger destination dst dest server agent observer container containers cloud
    organization organisation org tenant workspace team snapshot entitysnapshot config
    configuration settings annotations assignee owner victim document documents file files group
    groups role roles project projects repository repo model modifiedproperties auditchanges added
    removed members policyset query filters arguments args environment env device os links
    enrichments threat geoip qs"""
)
"""Containers whose members speak of something else than who acted, from where and when."""

TAKES_PART: Final = named("who network altid networkaddress")
"""Names under `agent` by which it is somebody who took part (HL7 FHIR, AuditEvent), no program."""
OTHER_STATE: Final = named("old new before after previous updated")
"""Words of containers of what a thing was before, or is now."""
CARRIERS: Final = named("changes change items item object")
"""Those in which the whole event stands, of some: where nothing outside of them says who acted."""
AT_HAND: Final = named("device geoip environment env")
"""Those that speak of what the one who acted held in hand: perhaps an address is theirs."""
PARAMETERS: Final = named("parameters params requestparameters input inputs arguments args query")
"""Those among them in which a sign-in says from where it came."""

ACTORS: Final = weighted(
    """100: actor actors actoruser auditactor; 98: initiator initiatedby performedby performer
    performingadmin triggeredby executedby executor actedby doneby eventinitiator perpetrator
    initiatinguser performedbyuser initiatedbyuser actinguser actingprincipal;
    96: principal authenticationinfo caller callinguser requester requestor requestedby requestuser
    useridentity calleridentity callerprincipal authenticateduser sourceuser srcuser suser
    triggeringuser submitter submittedby authenticatedprincipal accessor realuserid;
    93: altid actorkey originator administrator admin adminuser operator supervisor currentuser
    sessionuser remoteuser authuser whodunnit who staff staffuser agentuser actormember
    loggedinuser loginuser;
    88: edituser createuser updateuser modifyuser changedby modifiedby updatedby lastmodifiedby
    lastupdatedby createdby editedby runby runas binddn;
    90: deletedby uploadedby approvedby author authoredby editor creator committer pusher openedby
    terminatedby invitedby sentby grantedby signedby accessedby addedby removedby by;
    85: user users usr usrname dbuser osuser webuser ur enduser audituser eventuser
    loginaccount useraccount systemaccount logonuser loggedonuser domainuser; 84: identity;
    70: login person member employee subject subjectuser sender identityuser consumer
    dbusername; 75: issuer; 55: client serviceaccount apikey accesskey;
    60: approver uploader inviter; 45: samaccountname nickname; 40: account owner customer"""
)
"""Stems of names for who acted."""

DONE_BY: Final = ACTORS["by"]
"""Weight of a verb and `by` that stand in no table (`unlocked_by`)."""
OTHER_DEED: Final = DONE_BY - ACTORS["client"]
"""What `approved_by` loses where the record tells of something else than an approval."""
RECORDED_BY: Final = named("created changed modified updated lastmodified lastupdated edited")
"""With `by`: who wrote the record or changed the thing, whatever the action is called."""
SOMEBODY: Final = named("user admin administrator operator actor principal caller person")
OTHER_PEOPLE: Final = named(
    """target affected new old removed added invited deleted created updated recipient owner
    assigned assignee managed destination dst to for victim other associated related group role
    previous last next first shared default num number count max total per"""
)
"""Words beside `user` that make somebody else of them than who acted."""
TOLD_ENDS: Final = ("details", "detail", "info", "data", "profile", "object", "attributes",
                    "account", "user")
"""Ends of a name of one who acted that add nothing to it (`actor_details`)."""
BY_ENDS: Final = ("associate", "member", "person", "employee", "staff", "agent", "app")
"""Ends of a verb and `by` that say what kind did it (`changed_by_associate`)."""
TOLD_FRONTS: Final = ("action", "event", "audit")
"""Beginnings that add nothing either (`action_initiated_by`)."""

OTHERS: Final = weighted(
    """90: impersonator impersonatedby impersonatinguser impersonatingadmin onbehalfof behalfof
    delegateduser delegator delegatedby realuser originaluser originatinguser sudoer trueuser
    sudouser"""
)
"""Stems of names for who stands behind the one who acted."""

SERVICES: Final = named("serviceaccount service application client bot agent robot")
KEYS: Final = named("apikey accesskey apitoken token actorkey")

PERSON: Final = {
    name: part for part, names in {
        "email": "email emailaddress mail principalemail useremail primaryemail contactemail "
                 "emailid",
        "login": "login username loginname userprincipalname upn samaccountname alternateid handle "
                 "userlogin nickname loginid preferredusername accountname principalname",
        "name": "name displayname fullname realname title commonname label screenname summary "
                "display pretty",
        "given": "firstname givenname",
        "family": "lastname surname familyname",
        "id": "id uid uuid guid userid principalid accountid memberid arn externalid sub key "
              "userkey useruuid gid identifier ids employeeid publicid clientid sid",
        "type": "type kind usertype actortype principaltype tag",
        "session": "sessionid session accesskeyid",
        "self": "value",
    }.items() for name in names.split()
}
"""Leaves of an object that tells of a person, and ends of names (`actor_email`)."""

BETWEEN: Final = named(
    """user profile attributes data details properties identity account teammember apiuser person
    info session credential member extra app appuser principal publisher apikey serviceaccount
    apitoken emails sessionissuer auth actor enduser contact value admin 0"""
)
"""Containers between one who acted and what is told of them."""

TIMES: Final = weighted(
    """104: occurredat occurred occurredon occurrencetime eventoccurredat occured occuredat
    happenedat; 100: eventtime eventtimestamp eventdatetime timeofevent eventtimeutc;
    98: activitydatetime activitytime performedat actiontime actiontimestamp actiondate
    isotimestamp accesstime audittime audittimestamp changedat executedat;
    96: timestamp time utctimestamp timestamputc utctime timestampms timems timeutc epochtime
    unixtime epoch timestampmillis timestampepoch timestampderived timestampiso timeiso8601
    unixtimestamp epochms epochmillis;
    94: ts datetime when logtime logtimestamp logdate requesttime requestreceivedtimestamp
    logintime eventcreationtime isodate datetimeutc eventcreatedat createdatutc;
    88: createdat created creationtime createtime createddate creationdate datecreate datecreated
    createddatetime creationdatetime timecreated createdtime createdtimestamp createdon createts
    generateddatetime generatedat generatedtime generatedon published publishedat loggedat
    recordedat recorded recordtime recordedtime reportedat triggeredat detectedat eventcreated
    insertedtime timegenerated devicetime receipttime;
    80: date at eventdate createdate day t clock toe; 60: msec; 46: iat;
    44: received updated modified changed completed started began finished"""
)
"""Names of the time at which it happened."""

TIME_ENDS: Final = named(
    """time timestamp datetime date at ts epoch utc millis ms on when modified updated created
    received changed started occurred logged instant moment"""
)
TIME_FRONTS: Final = named("time timestamp datetime ts")
"""First words of a name whose others say how the time is written (`time_local`, `time_dt`)."""
TIME_LEAVES: Final = named(
    """date iso epoch value seconds string ms iso8601 utc epochsecond epochseconds epochmilli
    epochmillis numberlong"""
)
"""Members of a time that is an object."""
TIME_UNITS: Final = (
    "utc", "gmt", "ms", "millis", "epoch", "iso", "iso8601", "unix", "ns", "us", "nano", "nanos",
    "micros", "seconds", "milliseconds", "nanoseconds", "unixnano", "unixms",
)
"""Ends of a name of a time that say how it is written; one in UTC is preferred."""
NO_TIME: Final = named(
    """expir expires expiry expiration expire duration elapsed zone timezone offset timeout cpu run
    db valid ttl retention birth due scheduled next uptime took interval response wait not exp nbf
    iat"""
)
NO_TIME_HOLDERS: Final = named(
    "scheduled expiration expiry expires birth due next validity retention"
)
"""Words of containers whose times are those of something to come."""
LESS_TIME: Final = weighted(
    """55: local; 50: server; 42: start started;
    40: last previous first modified updated update modification session end ended finish finished
    stop completed deleted closed signed install;
    30: received receive ingest ingested ingestion processed process parse parsed indexed index
    insert inserted insertion collected observed stored persisted persistence delivered begin
    window stage export upload"""
)

IPS: Final = weighted(
    """100: clientip clientipaddress clientipaddr sourceip sourceipaddress srcip sourceipaddr
    actorip actoripaddress callerip calleripaddress callersuppliedip userip useripaddress
    requesterip requestip requestipaddress sourceips remoteip remoteipaddress loginip
    originip originipaddress initiatorip adminip externalip srcipaddr srcipaddress trueclientip
    realip xrealip clientipv4 sourceipv4 ipsource ipclient ipuser visitorip cip senderip
    useripv4 requestoripaddress sessionip publicip rawip aip remip idorigh;
    94: remoteaddr remoteaddress clientaddress clientaddr sourceaddress srcaddr peeraddress
    peeraddr peerip fromip remoteaddrs fromaddress sourceaddr src caddr remotehost remote
    useraddress requestaddress peername peerhost saddr raddr rhost rip;
    90: networkaddress ip ipaddress ipaddr ipv4 ipv6 ipv4address ipv6address ips ipaddresses
    networkip ip4 ip6 ipaddressv4 ipaddressv6 userhostaddress;
    60: workstation station terminal workstationname terminalid clientmachine machineaddress;
    45: address addr; 44: xforwardedfor forwardedfor httpxforwardedfor xff;
    40: location endpoint source client origin peer from"""
)
"""Names of the address at which the one who acted was."""

ONE_WHO_ASKS: Final = IPS["remoteaddr"]
"""From this weight on a name says itself whose address it is, wherever it stands."""
HOST_WORDS: Final = named("host hostname machine name")
NO_IP_HOLDERS: Final = named(
    """server dst dest destination target local internal private proxy gateway nat upstream backend
    lb balancer loadbalancer resolver dns bind listen listener"""
)
"""Words of a container whose addresses are those of others."""

IP_WORDS: Final = named("ip address addr ipv4 ipv6")
IP_OF: Final = named(
    "client remote source src peer caller requester requestor user origin initiator actor"
)
"""Words of which a name has one of both (`remoteClientAddress`, `addr.remote`)."""

NO_IP: Final = named(
    """server dst dest destination target host local internal private proxy gateway nat next
    previous last agent observer node pod cluster lb balancer resolver dns bind listen subnet
    device virtual vip router old new expected allowed denied blocked whitelist range cidr mask
    to"""
)
NO_COUNT: Final = named(
    "id uuid guid key no number num count size bytes length version port serial"
)
"""Last words of names of numbers that are no time, whatever their size."""
BY_VALUE: Final = LESS_TIME["received"]
"""Weight of what no name tells, only the shape of its value."""
IP_LEAVES: Final = named(
    "ip address ipaddress addr ipaddr ipv4 ipv6 ips value ipchain remoteaddr clientip"
)
IP_HOLDERS: Final = named(
    """client source src remote actor user request http httprequest origin requestmetadata session
    caller initiator peer connection network requester principal ip ipaddress location geolocation
    geo useridentity requestor clientinfo security authenticationinfo access where login"""
)

ACTIONS: Final = weighted(
    """100: eventname actionname operationname eventaction auditaction actiontype activityname
    activitydisplayname eventtypename actiondisplayname auditlogevent apiname methodname
    eventoperation useraction commandname auditname;
    97: action operation; 94: activity verb operationtype auditeventtype activitytype actioncode
    auditevent eventcode; 90: eventtype event eventkey querytype atype auditlogaction logevent
    subtype changetype; 84: actionlabel transaction call functionname
    apimethod rpcmethod; 78: op act api eventcategoryname; 70: type routine
    auditlogtype logtype messagetype eventsummary requesttype;
    60: name title requestmethod method command capability;
    58: class eventclass classname; 50: category eventcategory kind"""
)
"""Names of what was done."""


WEAK_ACTION: Final = ACTIONS["type"]
"""Names up to this weight are taken only where they speak of the whole event."""

ACTION_ENDS: Final = weighted(
    "75: action operation activity verb operationtype; 70: event eventtype actiontype"
)
ACTION_HOLDERS: Final = named(
    "event action operation activity eventtype actiontype audit auditevent verb api"
)
ACTION_LEAVES: Final = weighted(
    "97: action; 95: name tag operation verb; 92: type value id code key"
)
NO_ACTION: Final = named("event events log audit record message activity auditevent resource")
"""Values that say only that something happened."""

MESSAGES: Final = weighted(
    """60: message description msg summary text content changedescription eventdescription
    eventmessage displaymessage details actiondescription primarydescription logmessage
    activitydescription shortmessage log note statement detail eventdetail; 45: comment remarks"""
)
"""Names of a sentence that tells it."""

OUTCOMES: Final = weighted(
    """100: outcome eventoutcome result eventresult actionresult operationresult auditresult
    resultstatus outcomeresult; 96: success successful issuccess issuccessful succeeded succeed
    wassuccessful eventsuccess loginsuccess failed isfailed failure; 94: decision granted allowed
    permitted authorized isallowed denied blocked disposition accessgranted verdict conclusion;
    90: status requeststatus loginstatus executionstatus eventstatus operationstatus responsestatus
    statustext resulttype authenticationresult actionstatus authstatus; 86: statuscode responsecode
    httpstatus httpstatuscode responsestatuscode resultcode returncode httpcode responsehttpstatus
    exitcode; 80: errorcode error errorname errortype errcode oautherror; 78: errormessage
    errormsg errordescription errorreason failurereason errordetail resultreason statusmessage
    statusreason denyreason; 40: reason reasonphrase"""
)
"""Names of how it ended."""

PLAIN: Final = {
    "agent": weighted("95: useragent httpuseragent clientuseragent rawuseragent requestuseragent"
                      " browseruseragent callersupplieduseragent; 80: ua; 50: browser browsertype"
                      " clientapplication requestclientapplication"),
    "session": weighted("90: sessionid session sessionkey sessionuuid loginsessionid"
                        " externalsessionid; 60: sessid"),
    "request": weighted("95: requestid xrequestid reqid requestuuid; 80: correlationid"
                        " transactionid operationid correlationvector requestguid"),
    "trace": weighted("95: traceid xb3traceid dtraceid"),
    "id": weighted("100: eventid eventuuid eventguid auditid auditlogid logid logentryid insertid"
                   " auditeventid auditguid activityuuid logeventid; 90: uuid guid id uid messageid"
                   " recordid documentid entryid"),
    "severity": weighted("90: severity severitylevel severityname eventseverity sev;"
                         " 70: loglevel level priority risk risklevel"),
    "host": weighted("90: hostname host srchost clienthostname workstation workstationname"
                     " computer computername machine machinename sourcehost devname fqdn"),
    "device": weighted("90: deviceid devicename deviceuuid deviceserial; 60: device"),
    "service": weighted("90: servicename service app application appname product productname"
                        " system workload component module eventsource applicationname"),
    "mfa": weighted("90: mfa mfaused usedmfa mfaauthenticated mfaverified twofactor"),
    "method": weighted("90: authmethod authenticationmethod loginmethod authtype"
                       " authenticationtype credentialtype loginprovider; 80: strategy"),
}
"""Members of one value each."""

WHOLE: Final = named("id uuid uid guid name type kind service app application system product module"
                     " component method command appname title category")
"""Names that say something of the event only where they stand outside of everything else."""

TARGETS: Final = weighted(
    """100: target targets targetuser targetresource targetobject targetentity; 96: resource
    resources object objects entity entities affectedresource affecteduser affectedobject objectref
    auditresource; 92: asset assets item items subject affected recipient targetaccount victim
    auditable; 80: document file folder repository repo project bucket table database page vault
    envelope template dashboard workflow secret; 30: user account role group team app device rule
    policy integration channel site member invitee"""
)
"""Stems of names for what was touched; the last row only where the action names them too."""

NAMED_BY_ACTION: Final = min(TARGETS.values())
"""Weight of what is a target only where the action speaks of it."""


TARGET_PARTS: Final = {
    name: part for part, names in {
        "id": "id uuid guid gid uid key arn ids resourceid objectid entityid identifier",
        "name": "name displayname title label path filename",
        "type": "type kind resourcetype entitytype tag objecttype targettype class nativetype",
        "email": "email emailaddress",
        "login": "login username alternateid",
        "self": "value",
        "parent": "namespace parent parentid",
    }.items() for name in names.split()
}
"""Leaves of an object that tells of a thing, and ends of names (`resource_id`)."""

GENERIC: Final = named(
    """target targets resource resources object objects entity entities asset assets item items
    affected auditable objectref affectedresource affectedobject auditresource targetresource
    targetobject targetentity"""
)
"""Stems of targets that do not say of which kind they are."""

NO_THING: Final = named(
    """request session trace span correlation event log org organization organisation tenant account
    customer client transaction message row process thread parent company application insert audit
    record entry external subscription region installation actor context activity operation
    partition shard tx xid instance batch principal schema version cluster source host connection
    business provider reference api login access interaction flow index sequence detector directory
    initiator creator author requester credential caller machine performer admin unique"""
)
"""Nouns whose ids are never what was touched."""
