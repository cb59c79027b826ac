"""Words the simulated company is made of."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DOMAIN: Final = "northgate.example"

GIVEN: Final = _words(
    """
    Aaliyah Adam Aisha Alan Amara Ana Andrej Anika Anton Aoife Arjun Astrid Ben Bianca Bram
    Carmen Cecilia Chen Chidi Clara Conor Dana Daniel Daria David Deepa Diego Elena Elias Emeka
    Emma Erik Esther Fatima Felix Femi Finn Freya Gabriel Grace Greta Hana Hassan Helen Hugo
    Ibrahim Ines Ingrid Isla Ivan Jamal Jan Jasmine Joao Johanna Jonas Julia Kai Karim Katarina
    Keiko Kofi Lars Laura Leila Lena Liam Lina Luca Lucia Magnus Maja Marco Maria Marta Mateo
    Maya Mei Mika Miriam Mohamed Nadia Naomi Niamh Nikhil Nina Noah Nora Olga Oliver Omar Oskar
    Paula Pedro Petra Priya Rafael Rania Ravi Rosa Ruth Samir Sara Sean Selma Sofia Stefan Tariq
    Tess Thomas Tomas Uma Valentina Vera Victor Wei Xavier Yara Yusuf Zainab Zofia
    """
)

FAMILY: Final = _words(
    """
    Abbott Adeyemi Ahmed Almeida Andersson Arslan Bauer Becker Bergman Bianchi Bondarenko
    Brennan Byrne Campbell Carvalho Castillo Chowdhury Cohen Costa Cruz Dahl Das Delgado Diallo
    Doyle Dubois Duffy Eze Farah Fernandez Fischer Fitzgerald Fontaine Garcia Georgiou Gomez
    Greene Grigoryan Gupta Haddad Hansen Hartmann Hassan Hoffmann Horvat Hughes Ito Ivanova
    Jansen Janssen Jensen Johansson Jovanovic Kamau Kaplan Karlsson Kaya Keller Kelly Khan Kim
    Kovacs Kowalski Kumar Larsen Lehmann Leroy Lindqvist Lopez Lynch Macdonald Malik Marino
    Martin Mazur Mbeki Mehta Mensah Meyer Moreau Morel Moretti Mulligan Murphy Mwangi Nagy
    Nakamura Ndiaye Nguyen Nielsen Novak Nowak Nwosu Obrien Okafor Okeke Oliveira Olsen Ortega
    Osei Owens Park Patel Pereira Petrov Popescu Quinn Rahman Ramos Rao Reilly Rossi Ruiz Russo
    Saidi Sanchez Santos Sato Schmidt Schneider Shah Sharma Silva Singh Sokolov Suzuki Tanaka
    Teixeira Torres Tran Vargas Vasquez Virtanen Volkov Wagner Walsh Wang Weber Wilson Wojcik
    Wright Yamamoto Yilmaz Zhang Zimmermann
    """
)

AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, "
    "like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; SM-X526B) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "NorthgateMobile/7.12.1 (iOS 18.6; iPhone15,4) CFNetwork/1568.300.101 Darwin/24.2.0",
)
MACHINE_AGENTS: Final = (
    "python-httpx2/2.16.2",
    "Java-http-client/21.0.8",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "curl/8.14.1",
    "HL7Bridge/3.9.4 (mirth; jdk17)",
)
SERVICES: Final = _words(
    """
    payroll-run hl7-bridge dicom-router lab-gateway backup nightly-billing claims-submit
    fhir-sync med-dispense bed-board roster-sync identity-sync patch-runner report-builder
    mail-relay archive consent-sync appointment-reminder pacs-index terminology-sync device-poll
    fax-gateway audit-export data-warehouse
    """
)
AI_AGENTS: Final = ("scribe", "coding-assistant", "discharge-drafter", "helpdesk-copilot")
SITES: Final = ("north", "south", "harbour", "childrens", "rehab")
CITIES: Final = (
    ("IE", "Cork"),
    ("IE", "Dublin"),
    ("IE", "Galway"),
    ("IE", "Limerick"),
    ("GB", "Belfast"),
)
